"""The faults that the simulator must notice still fit the sources that they are put into, and its driver script tells
one failure from another."""

import sys
from itertools import pairwise

import pytest
from repository import ROOT

sys.path.insert(0, str(ROOT / "tests" / "sim"))

import mutants
import sim


@pytest.mark.parametrize("mutation", mutants.mutations(), ids=lambda mutation: mutation.name)
def test_each_mutation_has_its_one_place(mutation: mutants.Mutation) -> None:
    assert mutation.fault(ROOT) == ""
    assert mutation.search != mutation.replace


def test_there_are_enough_of_them_and_none_twice() -> None:
    all_of_them = mutants.mutations()
    assert len(all_of_them) >= 20
    assert len({mutation.name for mutation in all_of_them}) == len(all_of_them)


def test_all_that_is_configured_is_copied() -> None:
    words = (ROOT / "CMakeLists.txt").read_text().replace("(", " ").replace(")", " ").split()
    added = {after for word, after in pairwise(words) if word == "add_subdirectory"}
    assert added - {"bindings", "tests"} <= set(mutants.COPIED)


def test_the_same_failure_of_others_at_another_time_is_the_same() -> None:
    one = "at 12.5000 s: n3@10.0.0.4:5000 dials n1@10.0.0.2:5000, which has just said goodbye"
    other = "at 3.1000 s: n0@10.0.0.1:5000 dials n2@10.0.0.3:5001, which has just said goodbye"
    third = "at 3.1000 s: n0@10.0.0.1:5000 reports n2@10.0.0.3:5001 up twice"
    assert sim.kind_of(one) == sim.kind_of(other) != sim.kind_of(third)


def test_shrinking_keeps_what_the_failure_needs() -> None:
    class Needs(sim.Program):
        """Fails as long as fault 3 happens and node 2 is there."""

        def __init__(self) -> None:
            pass

        def once(self, cast: sim.Cast) -> sim.Life:
            faults = range(6) if cast.only is None else cast.only
            fails = 3 in faults and 2 not in cast.without
            return sim.Life(cast.seed, 6, 5, 0, "", "at 1 s: n0@h:1 lies" if fails else "")

    program = Needs()
    whole = sim.Cast(7)
    smallest = sim.shrink(program, whole, program.once(whole))
    assert smallest.options() == ["--seed", "7", "--only", "3", "--without", "1,3,4"]
