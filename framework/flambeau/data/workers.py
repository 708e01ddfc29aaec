"""Processes that load batches: data comes back through shared memory, and one that dies is noticed."""

from __future__ import annotations

import contextlib
import io
import math
import multiprocessing
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection, shared_memory
from typing import Any

import flambeau as fl
from flambeau import _core


@dataclass(frozen=True)
class WorkerInfo:
    """Which worker this is, of how many, with its seed and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_here = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """What a worker of a DataLoader knows of itself; None outside of one.

    >>> get_worker_info() is None
    True
    """
    return getattr(_here, "info", None)


def set_worker_info(info: WorkerInfo) -> None:
    """Let get_worker_info() answer in this thread."""
    _here.info = info


@dataclass(frozen=True)
class Work:
    """What a worker needs: the dataset, and the function that makes a batch of it."""

    dataset: Any
    load: Callable[[Any, Any], Any]  # load(dataset or its iterator, indices or count) -> batch
    begin: Callable[[Any], Any]  # begin(dataset) -> what load reads from
    init: Callable[[int], Any] | None


class Processes:
    """Workers by number: give(number, order) and then take(number), in the same order."""

    def __init__(self, work: Work, count: int, seed: int, timeout_s: float) -> None:
        payload = _packed(work)
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may stand still
        self.timeout_s = timeout_s
        self.ends: list[connection.Connection] = []
        self.processes: list[Any] = []
        for number in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, payload, number, count, seed + number), daemon=True)
            process.start()
            theirs.close()
            self.ends.append(ours)
            self.processes.append(process)

    def give(self, number: int, order: Any) -> None:
        """Ask a worker for a batch."""
        try:
            self.ends[number].send(order)
        except OSError:
            raise self._death(number) from None

    def take(self, number: int) -> Any:
        """The next batch of a worker. Raises: what the dataset raised there; RuntimeError if the worker died."""
        end, process = self.ends[number], self.processes[number]
        ready = connection.wait([end, process.sentinel], self.timeout_s or None)
        if not ready:
            raise TimeoutError(f"DataLoader: worker {number} gave no batch in {self.timeout_s} s; raise timeout, or "
                               "find what the dataset waits for")
        if not end.poll():
            raise self._death(number)
        try:
            kind, data = pickle.loads(end.recv_bytes())  # noqa: S301  # our own worker wrote it
        except (EOFError, OSError):  # the end of it, or "reset by peer": it died with an order unread
            raise self._death(number) from None
        if kind == "error":
            raise _rebuilt_error(number, *data)
        return _unpacked(data)

    def close(self) -> None:
        """End all workers and free what they left in shared memory."""
        for end, process in zip(self.ends, self.processes, strict=True):
            with contextlib.suppress(OSError):  # it is gone already
                end.send(None)
            process.join(0.2)
            if process.is_alive():
                process.terminate()
                process.join()
            with contextlib.suppress(EOFError, OSError):  # nothing more comes
                while end.poll():
                    kind, data = pickle.loads(end.recv_bytes())  # noqa: S301  # our own worker wrote it
                    if kind == "batch":
                        _unpacked(data)
            end.close()

    def _death(self, number: int) -> RuntimeError:
        process = self.processes[number]
        process.join(1)
        code = process.exitcode
        how = f"was killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"ended with {code}"
        return RuntimeError(f"DataLoader: worker {number} (process {process.pid}) {how} before it gave its batch; was "
                            "memory short? Scripts that use processes start under `if __name__ == \"__main__\":`; "
                            "workers=\"threads\" needs none of this")


def _serve(end: connection.Connection, payload: bytes, number: int, count: int, seed: int) -> None:
    """A worker: orders come in by a thread, so that who gives them never waits for who takes batches."""
    orders: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while (order := end.recv()) is not None:
                orders.put(order)
        except (EOFError, OSError):
            pass  # the loader is gone
        orders.put(None)

    try:
        work: Work = pickle.loads(payload)  # noqa: S301  # the loader wrote it
        fl.manual_seed(seed)
        fl.set_num_threads(1)
        set_worker_info(WorkerInfo(number, count, seed, work.dataset))
        if work.init is not None:
            work.init(number)
        source = work.begin(work.dataset)
    except Exception as error:
        end.send_bytes(pickle.dumps(("error", _told(error))))
        return
    threading.Thread(target=listen, daemon=True).start()
    while (order := orders.get()) is not None:
        try:
            message = pickle.dumps(("batch", _shared(work.load(source, order))))
        except Exception as error:
            message = pickle.dumps(("error", _told(error)))
        end.send_bytes(message)


class _TensorPickler(pickle.Pickler):
    """Writes tensors too, for another process of our own; files never hold pickles."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, fl.Tensor):
            copied = value.detach().to("cpu")
            return _tensor, (_core.bytes_of(copied), copied.dtype.name, tuple(copied.shape))
        return NotImplemented


def _tensor(data: bytes, dtype: str, shape: tuple[int, ...]) -> fl.Tensor:
    return _core.tensor_of_bytes(data, dtype, shape)


def _packed(work: Work) -> bytes:
    stream = io.BytesIO()
    try:
        _TensorPickler(stream).dump(work)
    except Exception as error:
        raise TypeError(f"DataLoader: the dataset, collate_fn or worker_init_fn cannot be sent to a process: {error}. "
                        "Define it at the top of a module, without open files and lambdas, or use workers=\"threads\""
                        ) from error
    return stream.getvalue()


@dataclass(frozen=True)
class _Shared:
    """A tensor in shared memory; `name` is None for one without elements."""

    name: str | None
    dtype: str
    shape: tuple[int, ...]


def _shared(batch: Any) -> Any:
    """The batch with its tensors in shared memory."""
    if isinstance(batch, fl.Tensor):
        x = batch.detach().to("cpu")
        dtype = x.dtype.name
        if not x.size:
            return _Shared(None, dtype, tuple(x.shape))
        memory = shared_memory.SharedMemory(create=True, size=x.nbytes)
        buffer: Any = memory.buf
        buffer[: x.nbytes] = _core.bytes_of(x)
        del buffer
        memory.close()
        return _Shared(memory.name, dtype, tuple(x.shape))
    return _mapped(batch, _shared)


def _unpacked(batch: Any) -> Any:
    """The batch with its tensors out of shared memory, which is freed."""
    if isinstance(batch, _Shared):
        if batch.name is None:
            return fl.zeros(batch.shape, dtype=_core.dtype(batch.dtype))
        memory = shared_memory.SharedMemory(batch.name)
        try:
            bytes_ = _core.dtype(batch.dtype).itemsize * math.prod(batch.shape)
            buffer: Any = memory.buf
            view = buffer[:bytes_]
            try:
                return _core.tensor_of_bytes(view, batch.dtype, batch.shape)
            finally:
                view.release()
        finally:
            memory.close()
            memory.unlink()
    return _mapped(batch, _unpacked)


def _mapped(batch: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(batch, dict):
        return {key: change(value) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(change(value) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(change(value) for value in batch)
    return batch


def _told(error: Exception) -> tuple[bytes | None, str]:
    """An error as it can be sent: itself if it comes through, and its text."""
    text = "".join(traceback.format_exception(error))
    try:
        written = pickle.dumps(error)
        pickle.loads(written)  # noqa: S301  # some errors are written and cannot be read
    except Exception:
        return None, text
    return written, text


def _rebuilt_error(number: int, written: bytes | None, text: str) -> Exception:
    error = RuntimeError(f"DataLoader: worker {number} failed") if written is None else pickle.loads(written)  # noqa: S301  # our own worker wrote it
    error.add_note(f"in worker {number} of the DataLoader:\n{text}")
    return error
