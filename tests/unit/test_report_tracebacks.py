from __future__ import annotations

from pathlib import Path

import mitosis
from mitosis.report.tracebacks import users_traceback
from mitosis.screen import without_escapes

_OURS = Path(mitosis.__file__).parent / "in_kernel" / "imports.py"
_CELL = "\x1b[36mCell\x1b[39m \x1b[32mIn[3]\x1b[39m\x1b[32m, line 1\x1b[39m\n----> 1 my_exp = run()\n"
_RUN = "\x1b[36mFile \x1b[39m\x1b[32m~/sine/run.py:12\x1b[39m, in \x1b[36mrun\x1b[39m()\n---> 12 check()\n"
_CHECK = "\x1b[36mFile \x1b[39m\x1b[32m~/sine/run.py:3\x1b[39m, in \x1b[36mcheck\x1b[39m()\n----> 3 raise\n"
_RULE = "\x1b[31m" + "-" * 75 + "\x1b[39m"
_HEADING = "\x1b[31mValueError\x1b[39m            Traceback (most recent call last)"
_SHOWN_HEADING = "\x1b[31mValueError\x1b[39m  Traceback (most recent call last)"
_MESSAGE = "\x1b[31mValueError\x1b[39m: bad shape"


def _frame(path: Path | str) -> str:
    return f"File \x1b[32m{path}:7\x1b[39m, in load()\n----> 7 ours()\n"


def test_frames_of_mitosis_and_of_the_notebook_go_and_the_users_stay() -> None:
    shown = users_traceback([_RULE, _HEADING, _CELL, _frame(_OURS), _RUN, _frame(_OURS), _CHECK, _MESSAGE])
    assert shown == "\n".join([_SHOWN_HEADING, _RUN.rstrip("\n"), _CHECK.rstrip("\n"), _MESSAGE])


def test_frames_of_the_import_machinery_go() -> None:
    frozen = "File <frozen importlib._bootstrap>:1204, in _gcd_import(name, package, level)\n"
    assert users_traceback([_HEADING, _CELL, frozen, _RUN, _MESSAGE]).count("\n") == 3


def test_the_notebooks_frame_stays_where_it_is_all_there_is() -> None:
    shown = users_traceback([_RULE, _HEADING, _CELL, "TypeError: run() takes 0 positional arguments but 1 was given"])
    assert "my_exp = run()" in shown


def test_ipythons_frames_go_before_the_users_but_not_after() -> None:
    shell = _frame("/venv/lib/python3.11/site-packages/IPython/core/interactiveshell.py")
    shown = users_traceback([_HEADING, shell, _CELL, _RUN, shell, _MESSAGE])
    place = "IPython/core/interactiveshell.py"
    assert shown == "\n".join([_SHOWN_HEADING, _RUN.rstrip("\n"), _frame(place).rstrip("\n"), _MESSAGE])


def test_each_of_a_chain_of_exceptions_is_cleaned() -> None:
    cause = "\nThe above exception was the direct cause of the following exception:\n"
    shown = users_traceback([_RULE, _HEADING, _RUN, _MESSAGE, cause, _HEADING, _CELL, _frame(_OURS), _CHECK, _MESSAGE])
    assert "direct cause" in shown
    assert "my_exp = run()" not in shown
    assert str(_OURS) not in shown
    assert shown.count("bad shape") == 2


def test_a_syntax_error_is_shown_where_it_stands() -> None:
    entries = [
        "Traceback (most recent call last):\n",
        "  File ~/venv/lib/site-packages/IPython/core/interactiveshell.py:3823 in run_code\n    exec(code)\n",
        "  Cell In[1], line 1\n    import bad\n",
        "  File ~/sine/bad.py:2\n    def f(:\n          ^\nSyntaxError: invalid syntax\n",
    ]
    shown = users_traceback(entries)
    assert "run_code" not in shown
    assert "import bad" not in shown
    assert shown.endswith("  File ~/sine/bad.py:2\n    def f(:\n          ^\nSyntaxError: invalid syntax")


def test_a_traceback_in_pythons_own_form_is_cleaned_too() -> None:
    text = f"""Traceback (most recent call last):
  File "{_OURS}", line 3, in load
    ours()
    ^^^^
  File "/home/ada/sine/run.py", line 2, in <module>
    raise ValueError("bad shape")
ValueError: bad shape
of 3 rows
"""
    assert users_traceback([text]) == (
        "Traceback (most recent call last):\n"
        '  File "/home/ada/sine/run.py", line 2, in <module>\n    raise ValueError("bad shape")\n'
        "ValueError: bad shape\nof 3 rows"
    )


def test_the_traceback_of_an_exception_group_begins_with_the_users_frames() -> None:
    group = """  + Exception Group Traceback (most recent call last):
  |   File "/venv/lib/python3.11/site-packages/IPython/core/interactiveshell.py", line 3823, in run_code
  |     exec(code_obj, self.user_global_ns, self.user_ns)
  |   File "/tmp/ipykernel_7828/4175940305.py", line 1, in <module>
  |     my_exp = run()
  |              ^^^^^
  |   File "/home/ada/sine/run.py", line 10, in run
  |     raise ExceptionGroup("many", [ValueError("a")])
  | ExceptionGroup: many (1 sub-exception)
  +-+---------------- 1 ----------------
    | ValueError: a
    +------------------------------------
"""
    shown = users_traceback([group])
    lines = shown.splitlines()
    assert lines[1].endswith('File "/home/ada/sine/run.py", line 10, in run')
    assert lines[2].endswith('raise ExceptionGroup("many", [ValueError("a")])')
    assert "ValueError: a" in shown


_LIBRARY = """\
\x1b[36mFile \x1b[39m\x1b[32m~/venv/lib/python3.11/site-packages/scipy/_lsq.py:926\x1b[39m, in \x1b[36mf\x1b[39m()
\x1b[32m    925\x1b[39m before = 1
\x1b[32m--> \x1b[39m\x1b[32m926\x1b[39m fun(x)
\x1b[32m    927\x1b[39m after = 2
"""


def test_of_installed_packages_only_the_executed_lines_are_shown() -> None:
    standard = "File /usr/lib/python3.11/json/decoder.py:355, in raw_decode(s)\n    354 try:\n--> 355     scan(s)\n"
    shown = without_escapes(users_traceback([_HEADING, _RUN, _LIBRARY, _CHECK, standard, _MESSAGE]))
    assert shown.splitlines() == [
        "ValueError  Traceback (most recent call last)",
        "File ~/sine/run.py:12, in run()",
        "---> 12 check()",
        "File scipy/_lsq.py:926, in f()",
        "--> 926 fun(x)",
        "File ~/sine/run.py:3, in check()",
        "----> 3 raise",
        "File python3.11/json/decoder.py:355, in raw_decode(s)",
        "--> 355     scan(s)",
        "ValueError: bad shape",
    ]


def test_compiled_code_without_a_source_has_only_its_place() -> None:
    frame = (
        "File \x1b[32mpandas/_libs/index.pyx:172\x1b[39m, in get_loc()\n"
        "\x1b[32m--> \x1b[39m\x1b[32m172\x1b[39m "
        "\x1b[33m'Could not get source, probably due dynamically evaluated source code.'\x1b[39m\n"
    )
    shown = without_escapes(users_traceback([_HEADING, _RUN, frame, _MESSAGE]))
    assert shown.splitlines()[-2:] == ["File pandas/_libs/index.pyx:172, in get_loc()", "ValueError: bad shape"]


def test_where_all_code_is_installed_all_of_it_is_shown() -> None:
    assert "before = 1" in users_traceback([_HEADING, _CELL, _LIBRARY, _MESSAGE])
