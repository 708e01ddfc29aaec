"""Generators: streams that begin, stop and go on where they are told to, and who draws from which."""

from __future__ import annotations

import threading

import flambeau as fl
import pytest
from flambeau import nn
from flambeau.data import DataLoader, RandomSampler, TensorDataset, random_split


def seeded(seed):
    return fl.Generator().manual_seed(seed)


@pytest.mark.parametrize(("seed", "told"), [(0, 0), (7, 7), (2**64 - 1, 2**64 - 1), (-1, 2**64 - 1)])
def test_the_seed_is_told_as_64_bits(seed, told):
    assert seeded(seed).initial_seed() == told


def test_a_state_goes_on_where_it_was_taken():
    generator = seeded(3)
    generator.uniform(5)
    state = generator.get_state()
    expected = [generator.normal(4).tolist(), generator.randint(0, 9, 4).tolist()]
    other = fl.Generator().set_state(state)
    assert [other.normal(4).tolist(), other.randint(0, 9, 4).tolist()] == expected
    assert (state.dtype, state.shape) == (fl.uint8, (16,))
    assert other.initial_seed() == 3


def test_what_is_no_state_and_no_seed_is_refused():
    with pytest.raises(TypeError, match="a state is a uint8 tensor"):
        fl.Generator().set_state(fl.zeros(16))
    with pytest.raises(ValueError, match=r"shape \(16,\), and this one \(3,\)"):
        fl.set_rng_state(fl.zeros(3, dtype=fl.uint8))
    with pytest.raises(TypeError, match=r"Generator\(\).manual_seed\(7\)"):
        fl.Generator(7)
    with pytest.raises(TypeError, match="an integer is needed, not float"):
        fl.Generator().manual_seed(1.5)


def test_seeds_of_the_system_differ():
    generator = fl.Generator()
    first, second = generator.seed(), generator.seed()
    assert first != second
    assert generator.initial_seed() == second


def test_the_default_generators_state_is_taken_and_put_back():
    fl.manual_seed(5)
    assert fl.initial_seed() == 5
    state = fl.get_rng_state()
    drawn = fl.random.uniform(3).tolist()
    with fl.random.fork_rng():
        fl.random.uniform(100)
        fl.manual_seed(9)
    after = fl.random.uniform(3).tolist()
    fl.set_rng_state(state)
    assert [fl.random.uniform(3).tolist(), fl.random.uniform(3).tolist()] == [drawn, after]
    with fl.random.fork_rng(enabled=False):
        fl.manual_seed(9)
    assert fl.initial_seed() == 9


def test_a_fork_that_fails_puts_the_state_back_too():
    fl.manual_seed(5)

    def fails():
        fl.manual_seed(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), fl.random.fork_rng():
        fails()
    assert fl.initial_seed() == 5


DRAWS = {
    "uniform": lambda g: fl.random.uniform(4, generator=g),
    "normal": lambda g: fl.random.normal(4, generator=g),
    "randint": lambda g: fl.random.randint(0, 1000, 4, generator=g),
    "permutation": lambda g: fl.random.permutation(8, generator=g),
    "init": lambda g: nn.init.kaiming_uniform_(fl.zeros((4, 4)), generator=g),
    "orthogonal": lambda g: nn.init.orthogonal_(fl.zeros((4, 4)), generator=g),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_what_takes_a_generator_draws_from_it_alone(draw):
    before = fl.get_rng_state().tolist()
    generator = seeded(2)
    first, second = draw(generator), draw(generator)
    assert first.tolist() == draw(seeded(2)).tolist()
    assert first.tolist() != second.tolist()
    assert fl.get_rng_state().tolist() == before


def test_data_in_random_order_follows_its_generator():
    data = TensorDataset(fl.arange(20))

    def orders(seed):
        generator = seeded(seed)
        loader = DataLoader(data, batch_size=20, shuffle=True, generator=generator)
        return (
            [part.indices for part in random_split(data, [0.5, 0.5], generator=generator)],
            list(RandomSampler(data, generator=generator)),
            [x.tolist() for (x,) in loader],
        )

    assert orders(1) == orders(1)
    assert all(a != b for a, b in zip(orders(1), orders(2), strict=True))
    with pytest.raises(ValueError, match="seed and generator exclude each other"):
        DataLoader(data, shuffle=True, seed=1, generator=seeded(1))


def test_threads_that_draw_from_one_generator_get_different_numbers():
    generator, drawn = seeded(4), []

    def work():
        for _ in range(50):
            drawn.extend(generator.uniform(2, dtype=fl.float64).tolist())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(drawn)) == len(drawn) == 400


def test_a_generators_device_is_where_its_numbers_are_put():
    assert fl.Generator("reference").uniform(3).device.name == "reference"
    assert fl.Generator("reference").manual_seed(1).uniform(3).tolist() == seeded(1).uniform(3).tolist()
    assert fl.Generator("reference").permutation(3).device.name == "reference"
    assert fl.Generator().device.name == "cpu"
    assert fl.Generator("reference").uniform(3, device="cpu").device.name == "cpu"


@pytest.mark.parametrize("dtype", [fl.bool, fl.float16], ids=str)
def test_whole_numbers_are_refused_in_the_dtype_that_was_asked_for(dtype):
    with pytest.raises(fl.DTypeError, match=f"randint: dtype is {dtype}"):
        fl.random.randint(0, 2, dtype=dtype)


def test_dropout_and_checkpoints_draw_the_same_again():
    x = fl.ones(1000).requires_grad_()
    fl.manual_seed(6)
    y = fl.checkpoint(lambda x: nn.functional.dropout(x * 1.0, 0.5) * x, x)
    fl.random.uniform(10)
    state = fl.get_rng_state().tolist()
    y.sum().backward()
    assert x.grad.tolist() == (2 * y).tolist()
    assert fl.get_rng_state().tolist() == state
