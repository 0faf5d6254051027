"""The store: keys, searches with neighbours, worktrees, projects that never mix, an index made again."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard_builtins.memory import lines
from pegboard_builtins.memory.events import Event, MemoryFailure, StoreBusyError
from pegboard_builtins.memory.index import indexed, terms_of
from pegboard_builtins.memory.store import Store

P = "project"
WORDS = [
    f"{a}{b}"
    for a in ("lan", "mer", "tov", "sil", "rak", "dun", "fip", "gor")
    for b in ("do", "ra", "ti", "mus", "ken", "vil")
]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "memory") as made:
        yield made


def chatter(count: int, *, seed: int = 1, project: str = P, sessions: int = 3) -> list[Event]:
    chance = random.Random(seed)
    return [
        Event(
            project,
            " ".join(chance.choices(WORDS, k=chance.randint(4, 12))),
            key=f"{seed}:{number}",
            session=f"s{chance.randrange(sessions)}",
            origin=chance.choice(["user", "assistant", "tool", "web"]),
        )
        for number in range(count)
    ]


def found(hits) -> list[tuple[int, float, tuple[int, ...]]]:
    return [(hit.event.number, hit.score, tuple(near.number for near in hit.neighbours)) for hit in hits]


def test_what_was_put_is_found_at_once(store):
    numbers = store.put([Event(P, "The login tests need Redis on port 6380."), Event(P, "Deploys run on Fridays.")])
    assert numbers == [1, 2]
    (hit,) = store.search(P, "which port does redis use for testing the login?", limit=1)
    assert hit.event.text.startswith("The login tests")
    assert [near.number for near in hit.neighbours] == [2]


def test_a_key_is_kept_once_also_in_one_batch_and_after_a_restart(store, tmp_path):
    one = Event(P, "once", key="s:1")
    assert store.put([one, one]) == [1, 1]
    assert store.put([one]) == [1]
    store.search(P, "once")
    assert store.put([one, Event(P, "other", key="s:2")]) == [1, 2]
    store.close()
    with Store(tmp_path / "memory") as again:
        assert again.put([one]) == [1]
        assert [event.text for event in again.read(P)] == ["once", "other"]


def test_events_without_a_key_are_all_kept(store):
    assert store.put([Event(P, "same"), Event(P, "same")]) == [1, 2]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        pytest.param(Event(P, ""), "without a text", id="empty"),
        pytest.param(Event(P, "x" * 1_000_001), "too long", id="too long"),
        pytest.param(Event(P, "x", kind="forgotten"), "log's own", id="a kind of the log's own"),
        pytest.param(Event("../up", "x"), "no project's identity", id="a project that is a path"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_reason(store, event, why):
    with pytest.raises(MemoryFailure, match=why):
        store.put([event])


def test_two_stores_cannot_own_one_folder(store, tmp_path):
    with pytest.raises(StoreBusyError):
        Store(tmp_path / "memory")


def test_an_index_that_was_deleted_is_made_again_and_finds_the_same(store, tmp_path):
    store.put(chatter(1500))
    store.put([Event(P, "in a tree", worktree="w1", session="s1")])
    queries = [" ".join(random.Random(n).sample(WORDS, 3)) for n in range(40)]
    before = [found(store.search(P, query, neighbours=2, worktree="w1")) for query in queries]
    assert any(before)
    store.close()
    for path in (tmp_path / "memory/projects" / P).glob("index.sqlite3*"):
        path.unlink()
    with Store(tmp_path / "memory") as again:
        assert [found(again.search(P, query, neighbours=2, worktree="w1")) for query in queries] == before


def test_an_index_that_is_no_database_is_made_again(store, tmp_path):
    store.put([Event(P, "findable")])
    store.close()
    (tmp_path / "memory/projects" / P / "index.sqlite3").write_bytes(b"rubbish " * 2000)
    with Store(tmp_path / "memory") as again:
        assert [hit.event.text for hit in again.search(P, "findable")] == ["findable"]


def test_an_index_that_knows_more_than_the_log_is_made_again(store, tmp_path):
    store.put([Event(P, "one"), Event(P, "two")])
    store.close()
    (path,) = (tmp_path / "memory/projects" / P / "log").glob("*.ndjson")
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with Store(tmp_path / "memory") as again:
        assert again.search(P, "two") == []
        assert len(again.search(P, "one")) == 1


def test_a_frequent_word_never_empties_a_query(store):
    store.put([Event(P, f"common number{number}") for number in range(1200)])
    assert len(store.search(P, "common", limit=20)) == 20
    hits = store.search(P, "common number17", limit=5)
    assert hits[0].event.text == "common number17"


def test_below_a_thousand_events_no_word_is_left_out(store):
    store.put([Event(P, f"common number{number}") for number in range(50)])
    assert len(store.search(P, "common number17", limit=50, neighbours=0)) == 50


def test_a_phrase_in_quotation_marks_is_looked_for_as_one(store):
    store.put([Event(P, "red green blue"), Event(P, "green red blue")])
    assert [hit.event.number for hit in store.search(P, '"green red"')] == [2]


@given(st.text())
def test_any_text_is_a_query(text):
    assert all(term and '"' not in term for term in terms_of(text))


@pytest.mark.parametrize("query", ["", "   ", '"', "'; drop table event", "NEAR(a b)", "a* OR b", "\x00", "_", "٣ – é"])
def test_no_query_breaks_the_index(store, query):
    store.put([Event(P, "something")])
    assert store.search(P, query) == []


def test_neighbours_are_of_the_same_session_and_seen_under_the_same_rules(store):
    store.put(
        [
            Event(P, "before", session="a"),
            Event(P, "between", session="b"),
            Event(P, "from the web", session="a", origin="web"),
            Event(P, "needle", session="a"),
            Event(P, "after", session="a"),
        ]
    )
    (hit,) = store.search(P, "needle")
    assert [near.text for near in hit.neighbours] == ["from the web", "after"]
    (hit,) = store.search(P, "needle", origins=["user"])
    assert [near.text for near in hit.neighbours] == ["before", "after"]


def test_a_worktree_sees_the_project_and_itself_alone(store):
    store.put(
        [Event(P, "shared fact"), Event(P, "fact of one", worktree="one"), Event(P, "fact of two", worktree="two")]
    )
    seen = {
        tree: {hit.event.text for hit in store.search(P, "fact", worktree=tree, neighbours=0)}
        for tree in ("", "one", "two")
    }
    assert seen == {
        "": {"shared fact"},
        "one": {"shared fact", "fact of one"},
        "two": {"shared fact", "fact of two"},
    }


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_no_search_finds_what_is_of_another_project_or_worktree(data, tmp_path_factory):
    with Store(tmp_path_factory.mktemp("memory")) as store:
        where = st.tuples(st.sampled_from(["p1", "p2", "p3"]), st.sampled_from(["", "w1", "w2"]), st.sampled_from("ab"))
        placed = data.draw(st.lists(where, min_size=1, max_size=25))
        store.put([Event(p, f"shared words {n}", worktree=w, session=s) for n, (p, w, s) in enumerate(placed)])
        for project in ("p1", "p2", "p3"):
            for tree in ("", "w1", "w2"):
                hits = store.search(project, "shared words", limit=50, worktree=tree, neighbours=2)
                seen = [event for hit in hits for event in (hit.event, *hit.neighbours)]
                assert all(event.project == project and event.worktree in ("", tree) for event in seen)
                expected = sum(p == project and w in ("", tree) for p, w, _ in placed)
                assert len({event.number for event in seen}) == expected


def test_what_is_forgotten_is_in_no_file_and_stays_forgotten(store, tmp_path):
    secret = Event(P, "the passphrase is “zanzibar quartz”\nreally", key="s:9", session="x")
    store.put([*chatter(30), secret, *chatter(30, seed=2)])
    store.search(P, "passphrase")
    done = store.forget(P, match="zanzibar")
    assert done.numbers == (31,)
    assert done.found_bytes == 0
    assert done.files >= 2
    store.put([secret])
    assert store.search(P, "zanzibar quartz passphrase") == []
    assert [event.number for event in store.read(P)] == [*range(1, 31), *range(32, 62)]
    store.close()
    for path in (tmp_path / "memory").rglob("*"):
        assert not path.is_file() or b"zanzibar" not in path.read_bytes()


def test_the_number_of_a_forgotten_event_is_not_given_to_another(store, tmp_path):
    store.put(chatter(3))
    assert store.forget(P, numbers=[3]).numbers == (3,)
    store.close()
    with Store(tmp_path / "memory") as again:
        assert again.put([Event(P, "next")]) > [3]
        assert [event.number for event in again.read(P, 1, 3)] == [1, 2]


def test_forgetting_that_a_crash_cut_off_is_finished_when_the_project_is_opened(store, tmp_path, monkeypatch):
    from pegboard_builtins.memory import disk

    store.put([*chatter(5), Event(P, "a secret of its own")])

    def crash(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(disk, "sync_folder", crash)
        with pytest.raises(KeyboardInterrupt):
            store.forget(P, match="secret of its own")
    store.close()
    with Store(tmp_path / "memory") as again:
        assert again.search(P, "secret") == []
        again.project(P)
    for path in (tmp_path / "memory").rglob("*"):
        assert not path.is_file() or b"secret of its" not in path.read_bytes()


def test_what_a_person_wrote_of_what_is_forgotten_is_told_and_not_taken_away(store):
    store.put([*chatter(3), Event(P, "the passphrase is zanzibar quartz")])
    fact = store.facts_folder(P) / "mine.md"
    fact.write_text("Somebody told me about the zanzibar quartz.\n")
    done = store.forget(P, match="zanzibar quartz")
    assert (done.numbers, done.found_bytes, done.left) == ((4,), len("zanzibar quartz"), (str(fact),))
    assert fact.exists()


def test_nothing_is_forgotten_by_saying_nothing(store):
    store.put(chatter(2))
    with pytest.raises(MemoryFailure, match="say what to forget"):
        store.forget(P)


def test_the_status_counts(store):
    store.put(chatter(7))
    told = store.status()
    assert told["events"] == 7
    assert told["projects"][P]["last"] == 7
    assert isinstance(told["pid"], int)


@pytest.mark.parametrize("query", ["parse config", "parseConfigFile", "HTTPServer", "http server", "config_file"])
def test_names_are_found_by_the_words_they_are_made_of(store, query):
    store.put(
        [
            Event(P, "parseConfigFile of the HTTPServer reads it twice"),
            Event(P, "parse_config_file in http_server.py reads it once"),
            Event(P, "nothing of the kind"),
        ]
    )
    assert {hit.event.number for hit in store.search(P, query, neighbours=0)} == {1, 2}


@given(st.text(alphabet="aBcD12_é ", max_size=40))
def test_a_word_alone_finds_the_text_that_has_it_whatever_its_form(text):
    assert set(terms_of(text)) >= {word.lower() for word in re.findall(r"[^\W_]+", text)}
    assert indexed(text).startswith(text)


def test_a_project_that_is_opened_again_reads_only_what_the_index_does_not_know(store, tmp_path, monkeypatch):
    store.put(chatter(40))
    store.close()
    with Store(tmp_path / "memory") as again:
        again.put(chatter(3, seed=9))
        again.project(P).log.close()
        again.project(P).index.close()  # without what is waiting, as a killed daemon leaves it
        again._open.clear()
        parsed: list[int] = []
        real = lines.decode
        monkeypatch.setattr(lines, "decode", lambda line, project="": parsed.append(1) or real(line, project))
        assert again.project(P).count() == 43
        assert len(parsed) < 10
        assert [event.number for event in again.read(P)] == list(range(1, 44))


def test_words_that_stand_side_by_side_count_more_where_they_stand_side_by_side(store):
    store.put([Event(P, "the audit gateway"), Event(P, "gateway of an audit"), Event(P, "audit or gateway")])
    store.put(chatter(20))
    assert store.search(P, "audit gateway", limit=3, neighbours=0)[0].event.number == 1
