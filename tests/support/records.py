"""Two records in which nearly every field says something.

The bytes of the first are kept in `tests/formats/journal`, so it is never changed.
"""

from __future__ import annotations

import hashlib

from mitosis.records.trial import Failure, Output, ParameterRecord, ProcessRecord, StepRecord, TrialRecord
from support.journal import ENVIRONMENT

ENVIRONMENT_DIGEST = hashlib.sha256(ENVIRONMENT.encode()).hexdigest()[:40]
SLOW_VALUE = b"\x92\x01\x01"
SLOW_DIGEST = hashlib.sha256(SLOW_VALUE).hexdigest()[:40]

FINISHED = TrialRecord(
    key="5f2c91d07a3b",
    experiment="data+fit",
    steps=(
        StepRecord("data", "lab.data:run", None, "lab/data.py", 0.25, None, {"rows": 100}),
        StepRecord(
            "fit",
            "lab.fit:Fit.run",
            "lab.fit:Fit.lookup_dict",
            "lab/fit.py",
            0.5,
            3.25e-05,
            {"loss": 0.5, "name": "lu"},
        ),
    ),
    parameters=(
        ParameterRecord("fit", "frequency", "lookup", "slow", True, SLOW_DIGEST, "1"),
        ParameterRecord("data", "rows", "eval", "10 ** 2", True, "b" * 40, "100"),
        ParameterRecord("fit", "gpu", "eval", "object()", False, None, "<object>"),
    ),
    commit="",
    status="finished",
    iteration=0,
    started="2026-03-01T12:00:00.123456+00:00",
    author="Ada Lovelace <ada@example.org>",
    process=ProcessRecord("engine", 1843, "b00t/17"),
    environment=ENVIRONMENT_DIGEST,
    ended="2026-03-01T12:00:01.123456+00:00",
    duration_s=0.75,
    cpu_s=0.5,
    peak_memory_bytes=123_456_789,
    step=1,
    main=3.25e-05,
    warnings=("step `data` returned no main",),
    subject="first",
    branch="main",
    interpreter="CPython 3.11.7",
    platform="Linux-6.1-x86_64",
    cpu_count=8,
    command=("mitosis", "data", "fit", "-p", "fit.frequency=slow"),
    variables={"OMP_NUM_THREADS": "1"},
    untracked_files=2,
    trials_folder="/home/ada/lab/trials",
    folder="2026-03-01_5f2c91d07a3b",
    page="trial_data+fit-100-slow_0_5f2c91d07a3b.html",
    outputs=(Output("2026-03-01_5f2c91d07a3b/notebook.ipynb", 1234, "e" * 40),),
)
FAILED = FINISHED.with_changes(
    key="81aa03000000",
    status="failed",
    iteration=1,
    started="2026-03-02T12:00:00+00:00",
    ended="2026-03-02T12:00:01+00:00",
    main=None,
    failure=Failure("exception", "bad shape", "ValueError", "fit", "lab/fit.py:12 in run"),
)
