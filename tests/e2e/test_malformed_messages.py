"""Messages of widgets that are not as they should be: a trial goes on, and says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mitosis.records.trial import TrialRecord
from support.e2e import Mitosis

SENT = """\
import comm
from IPython.display import publish_display_data
lookup_dict = {{}}
def run():
    opened = comm.create_comm(target_name="jupyter.widget", data={data})
    publish_display_data({{"application/vnd.jupyter.widget-view+json": {{"model_id": opened.comm_id}}}})
    print("after it")
    return {{"main": 1}}
"""


@pytest.mark.parametrize(
    "data",
    [
        "{}",
        "{'state': {}}",
        "{'state': 'none'}",
        "{'state': {'_model_module': '@jupyter-widgets/output', '_model_name': 'OutputModel'}}",
        "{'state': {'_model_module': 'x', '_model_name': 'HBoxModel', 'children': 3}, 'buffer_paths': 4}",
    ],
)
def test_a_widget_that_makes_no_sense_costs_a_warning_at_most(
    mitosis: Mitosis,
    commit: Callable[[Mapping[str, str]], str],
    only_record: Callable[[], TrialRecord],
    project: Path,
    data: str,
) -> None:
    commit({"lab/__init__.py": SENT.format(data=data)})
    done = mitosis("my_exp")
    record = only_record()
    assert "after it" in done.stdout
    assert (record.status, record.main) == ("finished", 1)
    assert all("`comm_open` that makes no sense was passed over" in warning for warning in record.warnings)
    assert "after it" in (project / "trials" / str(record.page)).read_text()


def test_a_message_that_is_passed_over_is_told(
    mitosis: Mitosis, commit: Callable[[Mapping[str, str]], str], only_record: Callable[[], TrialRecord]
) -> None:
    commit({"lab/__init__.py": SENT.format(data="{'state': {}}")})
    assert "! step `my_exp`: a message `comm_open` that makes no sense" in mitosis("my_exp").stderr
    assert "KeyError: '_model_module'" in only_record().warnings[0]
