"""What a step returns is saved as far as it can be pickled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dill
import pytest

from mitosis.in_kernel.step_values import save
from mitosis.typing import NotSaved


class Unlisted(dict[str, int]):
    def items(self) -> Any:
        raise ValueError("not me")

    def __reduce__(self) -> Any:
        raise ValueError("not me")


def count() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize("result", [{"main": 1, count(): 2}, Unlisted(main=1)], ids=["key", "items"])
def test_mapping_that_cannot_be_taken_apart_is_left_out_as_a_whole(tmp_path: Path, result: Mapping[Any, Any]) -> None:
    path = tmp_path / "results_0.dill"
    (unsaved,) = save(result, path)
    assert unsaved.startswith("the whole result: ")
    assert isinstance(dill.loads(path.read_bytes()), NotSaved)
    assert list(tmp_path.iterdir()) == [path]
