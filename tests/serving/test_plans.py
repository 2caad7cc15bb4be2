"""Learning plans: the student's goal first, nothing active unagreed, and a link that opens one plan once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import case_actions as made
import pytest
from case_actions import DAY, NOW, TENANT, TODAY, World, everything, populate, the_plan
from postgres import BOTH, migrated_database
from sqlalchemy import Engine, event, select, update
from sqlalchemy.exc import IntegrityError

from features.problems import NotFound, Refused
from serving.cases import plans
from serving.cases.database import open_database, writing
from serving.cases.plans import CHOICES, HOWS, LINK_FOR, LINKED_FOR, MOST_OPTIONS, RESULTS, Beside, LinkedPlan, Plan, Student
from serving.cases.schema import LEARNING_PLAN_LINKS, LEARNING_PLAN_SESSIONS, LEARNING_PLANS, METADATA, TRAIL

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=BOTH)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(migrated_database(request.param, tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def who(db: Engine) -> World:
    return populate(db)


def refused(do: Callable[[], object]) -> list[str]:
    with pytest.raises(Refused) as error:
        do()
    return [problem.code for problem in error.value.problems]


def agreed(db: Engine, who: World) -> Plan:
    for one in (made.plan, made.goal, made.offer, made.choose, made.agree):
        one(db, who, "ana")
    return the_plan(db, "ana")


def activate(db: Engine, who: World, plan: Plan) -> None:
    plans.activate(db, who["ben"], "ana", plan.id, plan.version, TODAY + 14 * DAY, TODAY, NOW)


def opened(db: Engine, who: World) -> LinkedPlan:
    return plans.open_by_link(db, made.link(db, who, "ana"), NOW)


def test_a_plan_goes_from_the_goal_to_its_end_with_who_wrote_each_part(db: Engine, who: World) -> None:
    found = agreed(db, who)
    assert (found.state, found.goal, found.goal_how, found.version) == ("agreed", "Ratios by winter", "beside", 5)
    assert (found.begun_by.name, found.goal_by and found.goal_by.name) == ("Ben", "Ben")
    (option,) = found.options
    assert (option.text, option.offered_by.name, option.choice, option.chosen_how) == (
        "Twenty minutes with Kim", "Ben", "picked", "beside"
    )  # fmt: skip
    activate(db, who, found)
    found = the_plan(db, "ana")
    assert (found.state, found.active_since, found.review_on) == ("active", NOW, TODAY + 14 * DAY)
    plans.end_plan(db, who["ana"], "ana", found.id, found.version, "reached", NOW + DAY)
    found = plans.plan_of(db, TENANT, "ana", found.id)
    assert (found.state, found.result, found.ended_at) == ("ended", "reached", NOW + DAY)
    with db.connect() as connection:
        trailed = connection.execute(select(TRAIL.c.action, TRAIL.c.why).order_by(TRAIL.c.number)).all()
    assert [tuple(row) for row in trailed] == [
        ("plan_begun", ""), ("plan_goal_written", "beside"), ("plan_option_offered", "account"),
        ("plan_options_chosen", "beside"), ("plan_agreed", "beside"), ("plan_active", "account"), ("plan_ended", "account"),
    ]  # fmt: skip


def test_nothing_is_picked_before_the_students_goal_is_written(db: Engine, who: World) -> None:
    made.plan(db, who, "ana")
    made.offer(db, who, "ana")
    assert refused(lambda: made.choose(db, who, "ana")) == ["goal_first"]
    assert refused(lambda: made.agree(db, who, "ana")) == ["goal_first", "undecided"]
    made.goal(db, who, "ana")
    assert refused(lambda: made.agree(db, who, "ana")) == ["undecided"]
    this = the_plan(db, "ana")
    plans.choose(db, who["ana"], "ana", this.id, this.version, {this.options[0].id: "refused"}, NOW)
    assert refused(lambda: made.agree(db, who, "ana")) == ["nothing_picked"]


def test_no_plan_is_active_unless_the_student_agreed(db: Engine, who: World) -> None:
    for one in (made.plan, made.goal, made.offer, made.choose):
        one(db, who, "ana")
    this = the_plan(db, "ana")
    assert refused(lambda: activate(db, who, this)) == ["not_agreed"]
    for state in ("agreed", "active"):
        with pytest.raises(IntegrityError), writing(db) as connection:
            connection.execute(update(LEARNING_PLANS).values(state=state))


@pytest.mark.parametrize("change", [made.goal, made.offer])
def test_a_change_afterwards_takes_the_agreement_back(db: Engine, who: World, change: Callable[..., object]) -> None:
    activate(db, who, agreed(db, who))
    change(db, who, "ana")
    found = the_plan(db, "ana")
    assert (found.state, found.agreed_at, found.agreed_by, found.active_since) == ("draft", None, None, None)


def test_another_choice_takes_the_agreement_back_and_the_same_one_leaves_it(db: Engine, who: World) -> None:
    found = agreed(db, who)
    option = found.options[0].id
    plans.choose(db, who["ana"], "ana", found.id, found.version, {option: "picked"}, NOW)
    assert the_plan(db, "ana") == found
    plans.choose(db, who["ana"], "ana", found.id, found.version, {option: "refused"}, NOW)
    assert the_plan(db, "ana").state == "draft"


def test_a_student_takes_the_agreement_back_without_a_reason(db: Engine, who: World) -> None:
    found = agreed(db, who)
    activate(db, who, found)
    found = the_plan(db, "ana")
    plans.withdraw(db, who["ana"], "ana", found.id, found.version, NOW)
    found = the_plan(db, "ana")
    assert (found.state, found.goal) == ("draft", "Ratios by winter")
    assert refused(lambda: plans.withdraw(db, who["ana"], "ana", found.id, found.version, NOW)) == ["not_agreed"]


def test_only_the_student_or_somebody_beside_them_speaks_for_them(db: Engine, who: World) -> None:
    made.plan(db, who, "ana")
    made.plan(db, who, "eli")
    this, other = the_plan(db, "ana"), the_plan(db, "eli")

    def write(student: Student, plan: Plan) -> None:
        plans.write_goal(db, student, plan.student_id, plan.id, plan.version, "Ratios", NOW)

    assert refused(lambda: write(who["ben"], this)) == ["not_the_student"]
    assert refused(lambda: write(who["ana"], other)) == ["not_the_student"]
    assert refused(lambda: write(Beside(who["ana"]), other)) == ["not_the_student"]
    with pytest.raises(NotFound):
        write(opened(db, who), other)
    assert the_plan(db, "eli").goal == ""
    write(who["ana"], this)
    assert the_plan(db, "ana").goal_how == "account"
    assert set(HOWS) == {"account", "beside", "link"}


def test_whoever_saw_an_older_plan_and_whoever_asks_what_cannot_be_is_refused(db: Engine, who: World) -> None:
    found = agreed(db, who)
    before = everything(db)
    ben, plan, seen = who["ben"], found.id, found.version
    assert refused(lambda: plans.offer(db, ben, "ana", plan, seen - 1, "More", NOW)) == ["plan_changed"]
    assert refused(lambda: plans.offer(db, ben, "ana", plan, seen, " ", NOW)) == ["option"]
    assert refused(lambda: plans.write_goal(db, Beside(ben), "ana", plan, seen, "x" * 1_001, NOW)) == ["goal"]
    for choices in ({}, {"nothing": "picked"}, {found.options[0].id: "maybe"}):
        assert refused(lambda chosen=choices: plans.choose(db, Beside(ben), "ana", plan, seen, chosen, NOW)) == ["choice"]  # type: ignore[misc]
    for day in (None, TODAY, TODAY + 400 * DAY):
        assert refused(lambda on=day: plans.activate(db, ben, "ana", plan, seen, on, TODAY, NOW)) == ["review_on"]  # type: ignore[misc]
    assert refused(lambda: plans.end_plan(db, ben, "ana", plan, seen, "so so", NOW)) == ["plan_result"]
    for student, wanted in (("eli", plan), ("ana", "nothing")):
        with pytest.raises(NotFound):
            plans.offer(db, ben, student, wanted, seen, "More", NOW)
    with pytest.raises(NotFound):
        plans.plan_of(db, "roosevelt", "ana", plan)
    assert everything(db) == before
    plans.end_plan(db, ben, "ana", plan, seen, RESULTS[0], NOW)
    assert refused(lambda: plans.offer(db, ben, "ana", plan, seen + 1, "More", NOW)) == ["plan_has_ended"]
    assert refused(lambda: plans.make_link(db, ben, "ana", plan, NOW)) == ["plan_has_ended"]
    assert set(CHOICES) == {"picked", "refused"}


def test_a_plan_offers_no_more_than_somebody_can_weigh(db: Engine, who: World) -> None:
    made.plan(db, who, "ana")
    for _ in range(MOST_OPTIONS):
        made.offer(db, who, "ana")
    assert refused(lambda: made.offer(db, who, "ana")) == ["options"]


def test_any_student_has_as_many_plans_as_there_are_goals(db: Engine, who: World) -> None:
    made.plan(db, who, "ana")
    plans.begin_plan(db, who["ana"], "ana", NOW + DAY)
    assert [one.begun_by.name for one in plans.plans_of(db, TENANT, "ana")] == ["Ana", "Ben"]
    assert plans.plans_of(db, "roosevelt", "ana") == plans.plans_of(db, TENANT, "eli") == ()


# -- the link -------------------------------------------------------------------------------------------------------------


def test_a_link_opens_its_plan_once_for_an_hour_and_the_student_writes_by_it(db: Engine, who: World) -> None:
    made.plan(db, who, "ana")
    token = made.link(db, who, "ana")
    assert plans.link_is_good(db, token, NOW), "to look whether it is good does not use it up"
    found = plans.open_by_link(db, token, NOW + DAY)
    assert (found.student_id, found.plan_id, found.expires_at) == ("ana", the_plan(db, "ana").id, NOW + DAY + LINKED_FOR)
    assert not plans.link_is_good(db, token, NOW)
    with pytest.raises(NotFound):
        plans.open_by_link(db, token, NOW + DAY)
    again = plans.linked(db, found.token, NOW + DAY + 59 * MINUTE)
    assert again is not None
    assert (again.token, again.csrf, again.plan_id) == ("", found.csrf, found.plan_id)
    assert plans.linked(db, found.token, NOW + DAY + 60 * MINUTE) is None
    assert plans.link_csrf_matches(again, found.csrf)
    assert not plans.link_csrf_matches(again, "ö")
    this = the_plan(db, "ana")
    plans.write_goal(db, again, "ana", this.id, this.version, "Ratios", NOW)
    this = the_plan(db, "ana")
    assert (this.goal_how, this.goal_by) == ("link", None)


def test_a_link_that_is_old_ended_made_up_or_followed_by_another_opens_nothing_in_the_same_words(
    db: Engine, who: World
) -> None:
    made.plan(db, who, "ana")
    old = made.link(db, who, "ana")
    newer = made.link(db, who, "ana")
    said = set()
    for token, when in ((old, NOW), (newer, NOW + LINK_FOR), ("x" * 43, NOW), ("", NOW)):
        assert not plans.link_is_good(db, token, when)
        with pytest.raises(NotFound) as error:
            plans.open_by_link(db, token, when)
        said.add(str(error.value))
    session = plans.open_by_link(db, newer, NOW + LINK_FOR - MINUTE)
    last = made.link(db, who, "ana")
    plans.end_links(db, who["ben"], "ana", the_plan(db, "ana").id, NOW)
    assert plans.linked(db, session.token, NOW) is None, "what a link opened ends with it"
    with pytest.raises(NotFound) as error:
        plans.open_by_link(db, last, NOW)
    assert said == {str(error.value)}
    assert plans.linked(db, "", NOW) is None


def test_neither_a_link_nor_what_it_opens_is_in_the_database(db: Engine, who: World) -> None:
    made.plan(db, who, "ana")
    token = made.link(db, who, "ana")
    session = plans.open_by_link(db, token, NOW)
    kept = repr(everything(db))
    assert token not in kept
    assert session.token not in kept
    assert len(token) == len(session.token) == 43, "256 bits"


@pytest.mark.full
def test_of_two_who_follow_a_link_at_once_one_gets_in(db: Engine, who: World) -> None:
    made.plan(db, who, "ana")
    for _ in range(5):
        token, gate = made.link(db, who, "ana"), Barrier(2)

        def follow(_: int, token: str = token, gate: Barrier = gate) -> bool:
            gate.wait()
            try:
                plans.open_by_link(db, token, NOW)
            except NotFound:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(follow, range(2))) == [False, True]


# -- what is held, and its end ----------------------------------------------------------------------------------------------


def test_plans_are_exported_as_plain_values(db: Engine, who: World) -> None:
    agreed(db, who)
    with db.connect() as connection:
        (held,) = plans.export(connection, TENANT, "ana")
    assert json.loads(json.dumps(held)) == held
    assert (held["goal"], held["agreed_how"], held["agreed_by"]) == ("Ratios by winter", "beside", "Ben")
    assert held["options"] == [
        {"text": "Twenty minutes with Kim", "offered_by": "Ben", "offered_at": NOW.isoformat(), "choice": "picked",
         "chosen_at": NOW.isoformat(), "chosen_how": "beside", "chosen_by": "Ben"}
    ]  # fmt: skip


def test_erasing_a_student_leaves_nothing_of_their_plans(db: Engine, who: World) -> None:
    agreed(db, who)
    opened(db, who)
    made.plan(db, who, "eli")
    with writing(db) as connection:
        assert plans.erase(connection, TENANT, "ana") == 4
    kept = everything(db)
    assert len(kept["learning_plan"]) == 1
    mine = {name for name in METADATA.tables if name.startswith("learning_plan")}
    assert mine == {"learning_plan", "learning_plan_option", "learning_plan_link", "learning_plan_session"}, "add it to erase"
    assert not any(kept[name] for name in mine - {"learning_plan"})
    assert not any("ana" in repr(row) and "linc-ana" not in repr(row) for row in kept["learning_plan"])
    with db.connect() as connection:
        assert connection.execute(select(LEARNING_PLAN_LINKS)).first() is None
        assert connection.execute(select(LEARNING_PLAN_SESSIONS)).first() is None


def test_the_plans_of_a_student_take_three_queries(db: Engine, who: World) -> None:
    agreed(db, who)
    made.plan(db, who, "ana")
    asked: list[str] = []
    event.listen(db, "before_cursor_execute", lambda *said: asked.append(said[2]))
    assert len(plans.plans_of(db, TENANT, "ana")) == 2
    assert len([one for one in asked if one.startswith("SELECT")]) == 3
