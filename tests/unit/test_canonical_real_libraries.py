"""Values of libraries that the tests do not install: each that can be imported is tried, the others are left out.

To run it, install some of them into the environment and then

    python -m pytest -m slow tests/unit/test_canonical_real_libraries.py

Each value is encoded in two processes with different seeds of the hash: it has to be the same in both, and another than
every other value of its library.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

VALUES: dict[str, str] = {
    "torch": """
        import pickle, copy, torch
        def doubled(x): return x * 2
        compiled = torch.compile(doubled)
        scripted = torch.jit.script(doubled)
        @torch.jit.script
        def tripled(x): return x * 3
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                torch.manual_seed(0)
                self.inner, self.act = torch.nn.Linear(2, 3), torch.nn.functional.relu
            def forward(self, x): return self.act(self.inner(x))
        def adam(steps):
            net = Net()
            optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
            for _ in range(steps):
                net(torch.ones(1, 2)).sum().backward(); optimizer.step()
            return optimizer
        def used(net): net(torch.ones(1, 2)).sum().backward(); return net
        tensor = torch.tensor
        VALUES = [torch.sin, torch.relu, torch.nn.functional.relu, torch.nn.functional.conv2d,
            torch.nn.functional.max_pool2d, compiled, scripted, tripled,
            torch.float32, torch.bfloat16, torch.device("cpu"), torch.device("cuda", 1),
            torch.Size([1, 2]), torch.strided, torch.contiguous_format, tensor([1.0, 2.0]), tensor([1.0, 2.5]),
            tensor([1.0, 2.0], dtype=torch.bfloat16), tensor([1.0, 2.0], dtype=torch.float8_e4m3fn), tensor([1, 2]),
            tensor([1.0, 2.0], requires_grad=True), tensor([1.0, 2.0], device="meta"),
            torch.nn.Parameter(torch.ones(2)),
            torch.eye(2).to_sparse(), torch.eye(2).to_sparse_csr(), torch.eye(2), tensor([1 + 1j]), torch.ones(700_000),
            torch.Generator(), torch.Generator().manual_seed(3), torch.nn.CrossEntropyLoss(),
            torch.nn.CrossEntropyLoss(weight=tensor([1.0, 2.0])), Net(), Net().eval(), Net().forward, adam(0), adam(1),
            torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh()),
            torch.nn.Sequential(torch.nn.Tanh(), torch.nn.ReLU()),
            torch.distributions.Normal(0.0, 1.0), torch.utils.data.TensorDataset(torch.ones(3))]
        EQUAL = [(Net(), used(Net())), (Net(), pickle.loads(pickle.dumps(Net()))), (adam(1), copy.deepcopy(adam(1))),
            (torch.arange(6.0).reshape(2, 3).T, tensor([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]])),
            (tensor([1.0 + 1j]).conj(), tensor([1.0 - 1j]))]
        REFUSED = [torch.compile(doubled), torch.ones(2).storage(), torch.jit.script(torch.nn.ReLU())]
    """,
    "jax": """
        import functools, jax, jax.numpy as jnp
        def doubled(x): return x * 2
        fast = jax.jit(doubled)
        slope = jax.grad(lambda x: x**2)
        @functools.partial(jax.jit, static_argnums=0)
        def scaled(n, x): return n * x
        VALUES = [jnp.sin, jax.lax.sin, jnp.add, jax.nn.relu, fast, slope, scaled, functools.partial(jnp.sum, axis=1),
            jnp.array([1.0, 2.0]), jnp.array([1.0, 3.0]), jnp.array([1.0, 2.0], dtype=jnp.bfloat16), jnp.array([1, 2]),
            jax.random.key(0), jax.random.key(1), jax.random.key(0, impl="rbg"), jax.random.PRNGKey(0), jnp.bfloat16,
            jax.random.split(jax.random.key(0), 3)]
        EQUAL = [(jnp.arange(4)[::2], jnp.array([0, 2])), (jax.random.key(0), jax.random.key(0))]
        REFUSED = [jax.jit(doubled), jax.nn.initializers.lecun_normal()]
    """,
    "numba": """
        import numba
        def doubled(x): return x * 2
        fast = numba.njit(doubled)
        @numba.njit
        def tripled(x): return x * 3
        @numba.vectorize(["float64(float64)"])
        def each(x): return x + 1
        @numba.cfunc("float64(float64)")
        def native(x): return x
        VALUES = [fast, tripled, each, native]
        EQUAL = [(tripled, (tripled(2), tripled)[1])]
        REFUSED = [numba.njit(doubled)]
    """,
    "pydantic": """
        import functools, pydantic
        class Config(pydantic.BaseModel):
            n: int = 3
            tags: set[str] = {"alpha", "beta", "gamma", "delta"}
            _secret: int = 5
            @pydantic.computed_field
            @functools.cached_property
            def twice(self) -> int: return 2 * self.n
        class Outer(pydantic.BaseModel):
            inner: Config = Config()
        used = Config(); used.twice
        VALUES = [Config(), Config(n=4), Outer()]
        EQUAL = [(Config(), Config(n=3)), (Outer(), Outer(inner=Config(n=3))), (Config(), used)]
        REFUSED = []
    """,
    "pyrsistent": """
        import pyrsistent as p
        WORDS = ["alpha", "beta", "gamma", "delta", "epsilon"]
        VALUES = [p.pset(WORDS), p.pset(WORDS[1:]), p.pmap({word: 1 for word in WORDS}),
            p.pvector(WORDS), p.pvector(WORDS[1:])]
        EQUAL = [(p.pset(WORDS), p.pset(WORDS[::-1]))]
        REFUSED = []
    """,
    "rpds": """
        import rpds
        WORDS = ["alpha", "beta", "gamma", "delta", "epsilon"]
        VALUES = [rpds.HashTrieSet(WORDS), rpds.HashTrieMap({word: 1 for word in WORDS})]
        EQUAL = [(rpds.HashTrieSet(WORDS), rpds.HashTrieSet(WORDS[::-1]))]
        REFUSED = []
    """,
    "xgboost": """
        import pickle, numpy as np, xgboost
        X = np.random.default_rng(0).normal(size=(60, 3)); y = (X[:, 0] > 0).astype(int)
        fit = lambda n: xgboost.XGBClassifier(n_estimators=n).fit(X, y)
        VALUES = [xgboost.XGBClassifier(), fit(2), fit(3), xgboost.train({}, xgboost.DMatrix(X, y), 2)]
        EQUAL = [(fit(2), fit(2)), (fit(2), pickle.loads(pickle.dumps(fit(2))))]
        REFUSED = []
    """,
    "lightgbm": """
        import numpy as np, lightgbm
        X = np.random.default_rng(0).normal(size=(60, 3)); y = (X[:, 0] > 0).astype(int)
        fit = lambda n: lightgbm.LGBMClassifier(n_estimators=n, verbose=-1).fit(X, y)
        VALUES = [lightgbm.LGBMClassifier(), fit(2), fit(3)]
        EQUAL = [(fit(2), fit(2))]
        REFUSED = []
    """,
    "tensorflow": """
        import tensorflow as tf
        @tf.function
        def doubled(x): return x * 2
        VALUES = [tf.sin, tf.nn.relu, doubled, tf.constant([1.0, 2.0]), tf.constant([1.0, 3.0]), tf.float32,
            tf.constant([1.0, 2.0], dtype=tf.bfloat16), tf.TensorShape([1, 2])]
        EQUAL = []
        REFUSED = [tf.keras.layers.Dense(3)]
    """,
}
TRY = """
import json, studied
from mitosis.canonical.encode import digest_value, encode_value
from mitosis.errors.values import UnstableValue
def digest(value): return digest_value(encode_value(value))
accepted = []
for value in studied.REFUSED:
    try: accepted.append(digest(value))
    except UnstableValue: pass
pairs = [[digest(value) for value in pair] for pair in studied.EQUAL]
print(json.dumps([[digest(value) for value in studied.VALUES], pairs, accepted]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("library", VALUES)
def test_value_is_the_same_in_every_process_and_unlike_every_other(library: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    lines = VALUES[library].strip("\n").splitlines()
    (tmp_path / "studied.py").write_text("\n".join(line[8:] for line in lines), encoding="utf-8")
    found = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "ignore"}
        done = subprocess.run(
            [sys.executable, "-c", TRY], env=environment, capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout.splitlines()[-1]))
    assert found[0] == found[1]
    digests, pairs, accepted = found[0]
    assert len(set(digests)) == len(digests)
    assert all(one == other for one, other in pairs)
    assert accepted == []
