"""Releasing locks that were taken by mistake, alone and beside others who still have them."""

from __future__ import annotations

import pytest

from mitosis.errors.journal import NamingError
from mitosis.errors.values import VariantRedefined
from mitosis.journal import layout, merge
from mitosis.journal.standing import remark_file
from mitosis.records.codec import decode_trial
from mitosis.records.trial import ParameterRecord, TrialRecord
from mitosis.variants import Variant, VariantName
from mitosis.verify import verify
from support.journal import JOURNAL, Desk, make_variant, record_path

NAME = VariantName("my_exp", "frequency", "slow")
SLOW, SLOWER = make_variant("slow", 1), make_variant("slow", 2)


def lock(journal: Desk, *variants: Variant) -> None:
    assert journal.repository.head is not None
    journal.lock(variants, journal.repository.head, journal.identity)


def use(variant: Variant) -> tuple[ParameterRecord, ...]:
    return (ParameterRecord(*variant.name[:2], "lookup", variant.name.variant, digest=variant.digest, summary="1"),)


def locks_missed(journal: Desk) -> list[str]:
    return [finding.what for finding in verify(journal.repository).findings if finding.kind == "lock"]


def release(journal: Desk) -> None:
    journal.release(NAME, "a typing error", journal.identity)


def test_released_name_can_be_locked_to_another_value(journal: Desk) -> None:
    lock(journal, SLOW, make_variant("fast", 10))
    journal.rename(NAME.renamed("fast"), "quick", journal.identity)
    journal.rename(NAME, "gentle", journal.identity)
    journal.retire(NAME, "x", journal.identity)
    with pytest.raises(NamingError, match="needs a reason"):
        journal.release(NAME, " \n", journal.identity)
    with pytest.raises(NamingError, match="more than the 500"):
        journal.release(NAME, "x" * 501, journal.identity)
    assert [meaning.digest for meaning in journal.release(NAME, "a typing\nerror", journal.identity)] == [SLOW.digest]
    assert journal.git("log", "-1", "--format=%an%n%B", JOURNAL).rstrip() == (
        f"{journal.identity.name}\nrelease my_exp.frequency=slow: a typing error\n\n"
        f"Released: {SLOW.digest} my_exp.frequency=slow\nUnretired: my_exp.frequency=slow\nReason: a typing error"
    )
    assert not journal.remarks()[NAME].is_retired
    assert not journal.remarks()[NAME].new_names
    assert {found.name.variant for found in journal.iter_variants()} == {"fast", "quick", "gentle"}
    journal.release(NAME.renamed("quick"), "x", journal.identity)
    assert NAME.renamed("fast") not in journal.remarks()
    lock(journal, SLOWER)
    with pytest.raises(VariantRedefined, match=r"release my_exp\.frequency=slow --reason TEXT"):
        lock(journal, SLOW)
    with pytest.raises(NamingError, match="is not locked"):
        journal.release(NAME.renamed("none"), "x", journal.identity)
    assert [entry.summary.split(":")[0] for entry in journal.variant_history(NAME)][:2] == [
        f"lock my_exp.frequency=slow at {journal.repository.head:.7}",
        "release my_exp.frequency=slow",
    ]
    assert not verify(journal.repository).findings


def test_no_trial_comes_back_without_its_lock(ada: Desk, bob: Desk) -> None:
    used = ada.run_trial(variants=[SLOW], parameters=use(SLOW))
    data = ada.git("cat-file", "blob", f"{JOURNAL}:{record_path(used)}")
    bob.merge_from(ada)
    ada.forget(used.key, ada.identity)
    release(ada)
    remarks = ("ls-tree", "-r", "--name-only", JOURNAL, "released/")
    assert len(ada.git(*remarks).splitlines()) == 1
    with pytest.raises(NamingError, match=f"used {NAME}, which was released and is not locked to {SLOW.digest[:6]}"):
        ada.bring_back(used.key, ada.identity)
    lock(ada, SLOWER)
    with pytest.raises(NamingError, match="is not locked to"):
        ada.bring_back(used.key, ada.identity)
    release(ada)
    lock(ada, SLOW)
    assert len(ada.git(*remarks).splitlines()) == 1, "what is locked again is not released any more"
    assert ada.bring_back(used.key, ada.identity) == used
    assert ada.git("cat-file", "blob", f"{JOURNAL}:{record_path(used)}") == data
    assert not locks_missed(ada)
    # Somebody with another program takes the lock away.
    ada.rewrite({f"variants/my_exp/frequency/slow/{SLOW.digest}.msgpack": None})
    assert "is not a meaning any more" in locks_missed(ada)[0]


def test_trial_whose_meaning_a_resolve_dropped_comes_back(ada: Desk, bob: Desk) -> None:
    lock(ada, SLOWER)
    used = bob.run_trial(variants=[SLOW], parameters=use(SLOW))
    bob.merge_from(ada)
    bob.forget(used.key, bob.identity)
    bob.resolve(NAME, SLOWER.digest, bob.identity)
    assert bob.bring_back(used.key, bob.identity) == used
    assert not locks_missed(bob)


def test_used_lock_is_kept_as_long_as_its_trials_are(ada: Desk, bob: Desk) -> None:
    lock(ada, SLOW)
    bob.merge_from(ada)
    here = ada.run_trial(variants=[SLOW], parameters=use(SLOW))
    with pytest.raises(
        NamingError, match=rf"used by a trial.*: {here.key[:6]}\n.*variants retire my_exp.frequency=slow"
    ):
        release(ada)
    bob.merge_from(ada)
    there = bob.run_trial(variants=[SLOW], parameters=use(SLOW))
    ada.forget(here.key, ada.identity)
    # The journal of somebody else counts as it was fetched, merged or not, but not what was forgotten here.
    ada.git("fetch", "--quiet", str(bob.folder), f"{JOURNAL}:refs/mitosis/remotes/bob/journal")
    with pytest.raises(NamingError, match=rf"used by a trial.*: {there.key[:6]} \(from bob\)\n"):
        release(ada)
    ada.merge_from(bob)
    ada.forget(there.key, ada.identity)
    release(ada)
    assert list(ada.iter_variants()) == []


@pytest.mark.parametrize("others", [[], [make_variant("fast", 10)]], ids=["last one", "one of two"])
def test_release_holds_for_everybody(ada: Desk, bob: Desk, others: list[Variant]) -> None:
    lock(ada, SLOW, *others)
    bob.merge_from(ada)
    release(ada)
    lock(bob, make_variant("middle", 5))
    bob.merge_from(ada)
    ada.merge_from(bob)
    assert ada.tree() == bob.tree()
    assert {found.name.variant for found in bob.iter_variants()} == {
        "middle",
        *(other.name.variant for other in others),
    }


def test_one_reading_of_new_trials_tells_of_all_locks(ada: Desk, bob: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    locks = [make_variant(f"v{n}", n) for n in range(4)]
    lock(ada, *locks)
    bob.merge_from(ada)
    for each in locks:
        ada.release(each.name, "wrong", ada.identity)
    new = [bob.run_trial(variants=[locks[0]], parameters=use(locks[0])) for _ in range(4)]
    read: list[str] = []

    def decode(data: bytes, where: str) -> TrialRecord:
        read.append(where)
        return decode_trial(data, where)

    monkeypatch.setattr(merge, "decode_trial", decode)
    ada.merge_from(bob)
    assert sorted(read) == sorted(map(record_path, new))
    assert [found.name for found in ada.iter_variants()] == [locks[0].name]


def test_release_of_one_name_says_nothing_of_another(ada: Desk, bob: Desk) -> None:
    values = {(name, n): make_variant(name, n) for name in ("a", "b") for n in (1, 2, 3)}
    lock(ada, values["a", 1], values["b", 1])
    ada.rewrite({layout.variant_path(*values[name, 2].lock): values[name, 2].value for name in "ab"})
    bob.merge_from(ada)
    changes: dict[str, bytes | str | None] = {}
    for name in "ab":
        changes |= {layout.variant_path(*values[name, n].lock): None for n in (1, 2)}
        changes[layout.variant_path(*values[name, 3].lock)] = values[name, 3].value
    changes |= dict(remark_file(layout.RELEASED, *values["a", n].lock) for n in (1, 2))
    base = ada.oid_of(JOURNAL)
    ada.rewrite(changes)
    bob.rewrite({layout.variant_path(*values[name, 2].lock): None for name in "ab"})
    ada.git("fetch", "--quiet", str(bob.folder), f"{JOURNAL}:refs/heads/bobs")
    _, tree, _ = merge._merge_trees(ada.store, [base], ada.oid_of(JOURNAL), ada.oid_of("refs/heads/bobs"))
    # Of `b` each side has taken away what the other one has kept, and nobody has released it.
    kept = ada.git("ls-tree", "-r", "--name-only", tree, layout.variant_folder(values["b", 1].name) + "/").split()
    assert kept == sorted(layout.variant_path(*values["b", n].lock) for n in (1, 3))


def test_value_that_took_the_place_of_a_released_one_is_in_no_conflict_with_it(ada: Desk, bob: Desk) -> None:
    lock(ada, SLOW)
    bob.merge_from(ada)
    release(ada)
    lock(ada, SLOWER)
    bob.run_trial()
    bob.merge_from(ada)
    ada.merge_from(bob)
    assert ada.tree() == bob.tree()
    assert [found.digest for found in bob.iter_variants()] == [SLOWER.digest]


def test_lock_that_was_used_while_it_was_released_stays(ada: Desk, bob: Desk) -> None:
    lock(ada, SLOW)
    bob.merge_from(ada)
    release(ada)
    bob.run_trial(variants=[SLOW], parameters=use(SLOW))
    ada.merge_from(bob)
    bob.merge_from(ada)
    assert ada.tree() == bob.tree()
    assert [found.digest for found in ada.iter_variants()] == [SLOW.digest]
    with pytest.raises(NamingError, match="used by a trial"):
        release(ada)
