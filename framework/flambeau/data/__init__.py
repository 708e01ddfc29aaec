"""Datasets, samplers and the loader of batches: see docs/data.md."""

from flambeau.data.collate import default_collate
from flambeau.data.datasets import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset, random_split
from flambeau.data.loader import DataLoader
from flambeau.data.samplers import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
from flambeau.data.workers import WorkerInfo, get_worker_info

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "WorkerInfo",
    "default_collate",
    "get_worker_info",
    "random_split",
]
