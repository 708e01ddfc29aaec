"""Learn to balance a pole on a cart by trial alone (REINFORCE): `python examples/reinforce.py`.

The cart is pushed left or right; a try ends when the pole falls, the cart leaves the track, or after LONGEST steps.
Each step is worth 1. The policy is a small network; after some tries its choices become likelier where more was still
to come than is usual at that time. Many carts run side by side in NumPy. The mean over 100 tries begins near 20 and is
wanted to reach 400. Sources: Barto, Sutton and Anderson, 1983 (the cart's equations); Williams, 1992 (REINFORCE).
"""

from __future__ import annotations

import argparse
import time

import flambeau as fl
import numpy as np
from flambeau import nn, optim
from flambeau.nn import functional
from terminal import progress

LONGEST, WANTED = 500, 400.0
GRAVITY, CART_KG, POLE_KG, HALF_POLE_M, PUSH_N, STEP_S = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02


class Carts:
    """Carts with a pole each; state (n, 4): place, speed, angle from upright, speed of the angle."""

    def __init__(self, count: int, random: np.random.Generator) -> None:
        self.state = random.uniform(-0.05, 0.05, (count, 4))

    def push(self, right: np.ndarray) -> np.ndarray:
        """Push each cart right or left for one step; gives which poles still stand."""
        _, speed, angle, turning = self.state.T
        cos, sin, mass = np.cos(angle), np.sin(angle), CART_KG + POLE_KG
        force = (np.where(right, PUSH_N, -PUSH_N) + POLE_KG * HALF_POLE_M * turning**2 * sin) / mass
        turn = (GRAVITY * sin - cos * force) / (HALF_POLE_M * (4.0 / 3.0 - POLE_KG * cos**2 / mass))
        pull = force - POLE_KG * HALF_POLE_M * turn * cos / mass
        self.state = self.state + STEP_S * np.stack([speed, pull, turning, turn], axis=1)
        return (np.abs(self.state[:, 0]) < 2.4) & (np.abs(self.state[:, 2]) < np.deg2rad(12.0))


def policy() -> nn.Sequential:
    """Logits of a push to the left and to the right."""
    return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Linear(64, 2))


@fl.no_grad()
def tries(net: nn.Module, count: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States (steps, count, 4), pushes and whether the try still went on (steps, count)."""
    carts, alive = Carts(count, random), np.ones(count, bool)
    states, pushes, lives = [], [], []
    while alive.any() and len(states) < LONGEST:
        states.append(carts.state)
        likely = functional.softmax(net(fl.tensor(carts.state.astype("float32"))), dim=1).numpy()[:, 1]
        pushes.append(random.random(count) < likely)
        lives.append(alive)
        alive = alive & carts.push(pushes[-1])
    return np.stack(states), np.stack(pushes), np.stack(lives)


def advantages(lives: np.ndarray, discount: float = 0.99) -> np.ndarray:
    """What was still to come at each step of each try, beside the mean of all tries at that step, in deviations."""
    to_come, after = np.zeros(lives.shape), np.zeros(lives.shape[1])
    for step in range(len(lives) - 1, -1, -1):
        after = to_come[step] = lives[step] * (1.0 + discount * after)
    better = (to_come - to_come.mean(axis=1, keepdims=True)) * lives
    return better / (better[lives].std() + 1e-8)


def train(net: nn.Module, *, rounds: int, count: int, random: np.random.Generator) -> list[float]:
    """The mean length of the tries in each round."""
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    means = []
    bar = progress(range(rounds), "reinforce")
    for _ in bar:
        states, pushes, lives = tries(net, count, random)
        chosen = functional.log_softmax(net(fl.tensor(states[lives].astype("float32"))), dim=1)
        took = fl.take_along_axis(chosen, fl.tensor(pushes[lives].astype("int64"))[:, None], axis=1)[:, 0]
        loss = -fl.mean(took * fl.tensor(advantages(lives)[lives].astype("float32")))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        means.append(float(lives.sum(axis=0).mean()))
        bar.note = f"{means[-1]:.0f} steps"
    return means


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    parser = argparse.ArgumentParser(description="Balance a pole by REINFORCE.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--tries", type=int, default=32, help="in each round")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    fl.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)
    net = policy()
    before = float(tries(net, 100, random)[2].sum(axis=0).mean())
    start = time.monotonic()
    train(net, rounds=options.rounds, count=options.tries, random=random)
    spent_s = time.monotonic() - start
    after = float(tries(net, 100, random)[2].sum(axis=0).mean())
    print(f"{options.rounds} rounds in {spent_s:.0f} s: the pole stands for {after:.0f} of {LONGEST} steps, at first "
          f"{before:.0f}; wanted {WANTED:.0f}")
    return before, after


if __name__ == "__main__":
    main()
