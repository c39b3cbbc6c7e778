"""Messages of widgets that are not as they should be: a trial goes on, and says so."""

from __future__ import annotations

from support.e2e import Project

SENT = """\
import comm
from IPython.display import publish_display_data
lookup_dict = {}
MESSAGES = [
    {},
    {"state": "none"},
    {"state": {"_model_module": "@jupyter-widgets/output", "_model_name": "OutputModel"}},
    {"state": {"_model_module": "x", "_model_name": "HBoxModel", "children": 3}, "buffer_paths": 4},
    {"state": {}},
]
def run():
    for number, data in enumerate(MESSAGES):
        opened = comm.create_comm(target_name="jupyter.widget", data=data)
        publish_display_data({"application/vnd.jupyter.widget-view+json": {"model_id": opened.comm_id}})
        print("after message", number)
    return {"main": 1}
"""


def test_widgets_that_make_no_sense_cost_warnings_at_most(project: Project) -> None:
    project.commit_lab(SENT)
    done = project.mitosis("my_exp")
    record = project.record()
    assert (record.status, record.main) == ("finished", 1)
    page = project.page_of(record).read_text()
    for number in range(5):
        assert f"after message {number}" in done.stdout
        assert f"after message {number}" in page
    (warning,) = record.warnings  # of the last one
    assert "`comm_open` that makes no sense was ignored (KeyError: '_model_module')" in warning
    assert "! step `my_exp`: a message `comm_open` that makes no sense" in done.stderr
