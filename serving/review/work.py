"""What the forms of the student page and of the caseload do: case work, and learning plans.

Every form also sends ``csrf``, which the reception checks. ``version`` is ``case.version`` as the page showed it, 0 where there
is no case. Days are YYYY-MM-DD. The names on the left are those of :data:`serving.pages.render.ADDRESSES`::

    case_notes          text, restricted (1 or nothing); for a next step with it: task, due_on, who (account, or nothing)
    case_note           seen (number of the latest revision), text
    case_contacts       whom, channel, language, on, agreed
    case_disagreements  kind, reason, prediction_id (or nothing)
    case_steps          task, due_on, who (account, or nothing), text
    case_step_done      -
    case_raise          reason
    case_claim          version
    case_assign         version, to (account)
    case_questions      version, question, due_on, of (account, or nothing)
    case_answers        version, answer
    case_snooze         version, until, why
    case_resume         version
    case_monitor        version
    case_close          version, close_reason, decision, consulted (yes or no), outcome, next_review_on
    case_reopen         version
    case_supports       version, intervention_id (or nothing), name (or nothing), dose, goal, begins_on, review_on
    case_support_review review_on
    case_support_end    version, result, ended_on
    plans               -
    plan_goal           version (of the plan), goal, beside (1 where the student sits beside the adult)
    plan_options        version, text (or intervention_id, of what is suggested)
    plan_choices        version, option.<id> (picked or refused, one field for each option), beside
    plan_agree          version, beside
    plan_withdraw       version, beside
    plan_begin          version, review_on
    plan_end            version, result
    plan_links          -
    plan_links_end      -
    caseload_actions    student (once for each), action (claim, assign or snooze), to, until, why

What a select offers: ``casebook.NEXT_STEPS``, ``WHOM``, ``CHANNELS``, ``DISAGREED``, ``CLOSE_REASONS``, ``SUPPORT_RESULTS`` and
``plans.RESULTS``; the catalogue has ``next_step.*``, ``whom.*``, ``channel.*``, ``disagreed.*``, ``close_reason.*`` and
``support_result.*`` for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date

import polars as pl

from features.problems import NotFound, Problem, Refused
from serving.cases import access, casebook, people, plans
from serving.cases.access import Action
from serving.cases.casebook import Opening
from serving.cases.people import Account
from serving.cases.plans import Beside, Student
from serving.pages.contexts.caseload import BANDS
from serving.pages.render import at
from serving.review import helping, plan
from serving.review.listing import LEAVING, OUTCOMES
from serving.review.room import Answer, Asked, Go, Room

#: What a list that no model made says in the place of a model's version.
_NO_MODEL = ("", None)

#: Which right a bulk action takes, of each student.
BULK: Mapping[str, Action] = {"claim": "claim", "assign": "assign", "snooze": "work_case"}

#: What is said of a bulk action that was done.
_BULK_SAID = {"claim": "claimed", "assign": "assigned", "snooze": "snoozed"}


# -- notes, contacts, next steps ---------------------------------------------------------------------------------------


def note(room: Room, asked: Asked) -> Answer:
    """Add a note, and a next step with it where one was chosen."""
    student = asked.parts["student_id"]
    restricted = bool(asked.sent("restricted"))
    if restricted:
        asked.seen.require(student, "write_restricted_note")
    task = asked.sent("task")
    who = asked.sent("who")
    _sees(room, asked, who, [student], "see_note")
    # A day stands in the form before anybody chooses what to do, so that it alone asks for no next step.
    casebook.add_note(
        room.db, asked.account, student, asked.sent("text"), asked.today, asked.now, restricted=restricted, task=task,
        due_on=day_of(asked, "due_on") if task else None, who=who,
    )  # fmt: skip
    return _done(student, "note_with_step" if task else "note_saved")


def revise_note(room: Room, asked: Asked) -> Answer:
    """Give a note another wording; beside a colleague's where both wrote at once."""
    student = asked.parts["student_id"]
    alone = casebook.revise_note(
        room.db, asked.account, student, asked.parts["note_id"], number_of(asked, "seen"), asked.sent("text"), asked.now,
        restricted=asked.seen.may(student, "write_restricted_note"),
    )  # fmt: skip
    return _done(student, "note_revised" if alone else "note_beside")


def contact(room: Room, asked: Asked) -> Answer:
    """Record a talk with the student or the family."""
    student = asked.parts["student_id"]
    casebook.record_contact(
        room.db, asked.account, student, whom=asked.sent("whom"), channel=asked.sent("channel"),
        language=asked.sent("language"), on=day_of(asked, "on"), agreed=asked.sent("agreed"), today=asked.today, now=asked.now,
    )  # fmt: skip
    return _done(student, "contact_recorded")


def disagree(room: Room, asked: Asked) -> Answer:
    """Say that what was suggested is not right. A prediction that is not this student's, or not to be known, is left out."""
    student, kind = asked.parts["student_id"], asked.sent("kind")
    prediction, model = "", ""
    if room.scored is not None and asked.sent("prediction_id"):
        of_student = pl.col("student_id") == student, pl.col("prediction_id") == asked.sent("prediction_id")
        row = next(room.scored.filter(*of_student).iter_rows(named=True), None)
        if row and (row["target"] != LEAVING or asked.seen.may(student, "see_dropout")):
            prediction, model = row["prediction_id"], row["model_version"] or ""
    made = casebook.disagree(
        room.db, asked.account, student, kind, asked.now, reason=asked.sent("reason"), prediction_id=prediction,
        model_version=model,
    )  # fmt: skip
    if kind == "data_wrong" and asked.seen.may(student, "ask_correction"):
        return Go(at("requests", student_id=student, because=made), "disagreed_data")
    return _done(student, "disagreed_data" if kind == "data_wrong" else "disagreed")


def step(room: Room, asked: Asked) -> Answer:
    """Write down what is to be done next."""
    student, who = asked.parts["student_id"], asked.sent("who")
    _sees(room, asked, who, [student], "see_note")
    casebook.add_step(
        room.db, asked.account, student, asked.sent("task"), day_of(asked, "due_on"), asked.today, asked.now, who=who,
        text=asked.sent("text"),
    )  # fmt: skip
    return _done(student, "step_saved")


def finish_step(room: Room, asked: Asked) -> Answer:
    """Note that a next step was done."""
    student = asked.parts["student_id"]
    casebook.finish_step(room.db, asked.account, student, asked.parts["step_id"], asked.now)
    return _done(student, "step_done")


# -- the case ----------------------------------------------------------------------------------------------------------


def raise_student(room: Room, asked: Asked) -> Answer:
    """Ask for a look at a student whom no list suggested."""
    student = asked.parts["student_id"]
    casebook.raise_student(room.db, asked.account, student, asked.sent("reason"), asked.today, asked.now)
    return _done(student, "raised")


def claim(room: Room, asked: Asked) -> Answer:
    """Take a case on."""
    student = asked.parts["student_id"]
    seen, opening = number_of(asked, "version"), opening_of(room, asked)
    casebook.claim(room.db, asked.account, student, seen, asked.today, asked.now, opening=opening)
    return _done(student, "claimed")


def assign(room: Room, asked: Asked) -> Answer:
    """Ask a colleague to take a case on who may do so for this student."""
    student, to = asked.parts["student_id"], asked.sent("to")
    _sees(room, asked, to, [student], "work_case")
    seen, opening = number_of(asked, "version"), opening_of(room, asked)
    casebook.assign(room.db, asked.account, student, seen, to, asked.today, asked.now, opening=opening)
    return _done(student, "assigned")


def ask(room: Room, asked: Asked) -> Answer:
    """Ask a question that has to be answered first."""
    student, of = asked.parts["student_id"], asked.sent("of")
    _sees(room, asked, of, [student], "see_note")
    casebook.ask(
        room.db, asked.account, student, number_of(asked, "version"), asked.sent("question"), day_of(asked, "due_on"),
        asked.today, asked.now, of=of, opening=opening_of(room, asked),
    )  # fmt: skip
    return _done(student, "question_asked")


def answer(room: Room, asked: Asked) -> Answer:
    """Answer the questions of a case, as somebody who works it or who was asked."""
    student = asked.parts["student_id"]
    if not asked.seen.may(student, "work_case"):
        steps = casebook.file_of(room.db, room.tenant, student).steps
        mine = [one for one in steps if one.task == "answer" and one.done_at is None and one.who.id == asked.account.id]
        if not mine:
            asked.seen.require(student, "work_case")
    casebook.answer(room.db, asked.account, student, number_of(asked, "version"), asked.sent("answer"), asked.today, asked.now)
    return _done(student, "answered")


def snooze(room: Room, asked: Asked) -> Answer:
    """Put a case off."""
    student = asked.parts["student_id"]
    casebook.snooze(
        room.db, asked.account, student, number_of(asked, "version"), day_of(asked, "until"), asked.sent("why"), asked.today,
        asked.now, opening=opening_of(room, asked),
    )  # fmt: skip
    return _done(student, "snoozed")


def resume(room: Room, asked: Asked) -> Answer:
    """Take a case up again."""
    student = asked.parts["student_id"]
    casebook.resume(room.db, asked.account, student, number_of(asked, "version"), asked.today, asked.now)
    return _done(student, "resumed")


def monitor(room: Room, asked: Asked) -> Answer:
    """Only watch a case from now on."""
    student = asked.parts["student_id"]
    casebook.monitor(room.db, asked.account, student, number_of(asked, "version"), asked.today, asked.now)
    return _done(student, "monitored")


def close(room: Room, asked: Asked) -> Answer:
    """Close a case."""
    student, opening = asked.parts["student_id"], opening_of(room, asked)
    consulted = {"yes": True, "no": False}.get(asked.sent("consulted"))
    wanted, day = asked.sent("next_review_on"), day_of(asked, "next_review_on")
    casebook.close(
        room.db, asked.account, student, number_of(asked, "version"), asked.sent("close_reason"), asked.sent("decision"),
        consulted, asked.today, asked.now, outcome=asked.sent("outcome"),
        next_review_on=day if day or not wanted else date.min,  # a day that is none is refused like one that cannot be
        evidence=opening.evidence, opening=opening,
    )  # fmt: skip
    return _done(student, "closed")


def reopen(room: Room, asked: Asked) -> Answer:
    """Open a closed case again, on what the newest list says and did not say then."""
    student = asked.parts["student_id"]
    seen, opening = number_of(asked, "version"), opening_of(room, asked)
    casebook.reopen(room.db, asked.account, student, seen, opening, asked.today, asked.now)
    return _done(student, "reopened")


def start_support(room: Room, asked: Asked) -> Answer:
    """Begin a support, of the catalogue or of a name of its own."""
    student, chosen, name = asked.parts["student_id"], asked.sent("intervention_id"), asked.sent("name")
    phrase = f"intervention.{chosen}"
    if not name and phrase in asked.words.phrases:
        name = asked.words.say(phrase)
    casebook.start_support(
        room.db, asked.account, student, number_of(asked, "version"), intervention_id=chosen, name=name,
        dose=asked.sent("dose"), goal=asked.sent("goal"), begins_on=day_of(asked, "begins_on"),
        review_on=day_of(asked, "review_on"), today=asked.today, now=asked.now, opening=opening_of(room, asked),
    )  # fmt: skip
    return _done(student, "support_begun")


def review_support(room: Room, asked: Asked) -> Answer:
    """Note that a support was looked at and goes on."""
    student, support = asked.parts["student_id"], asked.parts["support_id"]
    casebook.review_support(room.db, asked.account, student, support, day_of(asked, "review_on"), asked.today, asked.now)
    return _done(student, "support_reviewed")


def end_support(room: Room, asked: Asked) -> Answer:
    """End a support."""
    student = asked.parts["student_id"]
    casebook.end_support(
        room.db, asked.account, student, number_of(asked, "version"), asked.parts["support_id"], asked.sent("result"),
        day_of(asked, "ended_on"), asked.today, asked.now,
    )  # fmt: skip
    return _done(student, "support_ended")


def many(room: Room, asked: Asked) -> Answer:
    """Claim, hand on or put off the cases of everybody chosen, or of nobody."""
    action, students = asked.sent("action"), list(dict.fromkeys(asked.form.get("student", ())))
    for student in students:
        asked.seen.require(student, BULK.get(action, "work_case"))
    to = asked.sent("to")
    if action == "assign":
        _sees(room, asked, to, students, "work_case")
    count = casebook.act_on_many(
        room.db, asked.account, action, _openings(room, asked, students), asked.today, asked.now, to=to,
        until=day_of(asked, "until"), reason=asked.sent("why"),
    )  # fmt: skip
    return Go(at("caseload"), _BULK_SAID[action], count)


# -- learning plans ----------------------------------------------------------------------------------------------------


def begin_plan(room: Room, asked: Asked) -> Answer:
    """Begin a plan, of whichever student."""
    student = asked.parts["student_id"]
    begun = plans.begin_plan(room.db, asked.account, student, asked.now)
    return Go(at("plan", student_id=student, plan_id=begun), "plan_begun")


def plan_goal(room: Room, asked: Asked) -> Answer:
    """Write the goal, as the student or beside them."""
    return _in_plan(
        room, asked, "plan_goal",
        lambda student, mine, seen: plans.write_goal(
            room.db, _student(asked), student, mine, seen, asked.sent("goal"), asked.now
        ),
    )  # fmt: skip


def plan_option(room: Room, asked: Asked) -> Answer:
    """Offer something. Students pick and write the goal; offers are an adult's."""
    if asked.account.role == "student":
        raise Refused([Problem("adults_offer", "option", "Adults offer", "Write it into the goal.")], "Nothing was offered")
    text, key = asked.sent("text"), asked.sent("intervention_id")
    if key:
        every = helping.possible(room, asked, asked.parts["student_id"])
        chosen = next((one for one in every if one.intervention_id == key), None)
        if chosen is None:
            gone = Problem("help_gone", "help", "It is not among what is possible now", "Look at the page again.")
            raise Refused([gone], "Nothing was offered")
        text = f"{chosen.what} {chosen.how_much}."
    return _in_plan(
        room, asked, "plan_offered",
        lambda student, mine, seen: plans.offer(room.db, asked.account, student, mine, seen, text, asked.now, key),
    )  # fmt: skip


def plan_choices(room: Room, asked: Asked) -> Answer:
    """Pick and refuse what was offered."""
    choices = plan.chosen(asked.form)
    return _in_plan(
        room, asked, "plan_chosen",
        lambda student, mine, seen: plans.choose(room.db, _student(asked), student, mine, seen, choices, asked.now),
    )  # fmt: skip


def plan_agree(room: Room, asked: Asked) -> Answer:
    """Agree to a plan."""
    return _in_plan(
        room, asked, "plan_agreed",
        lambda student, mine, seen: plans.agree(room.db, _student(asked), student, mine, seen, asked.now),
    )  # fmt: skip


def plan_withdraw(room: Room, asked: Asked) -> Answer:
    """Take an agreement back."""
    return _in_plan(
        room, asked, "plan_withdrawn",
        lambda student, mine, seen: plans.withdraw(room.db, _student(asked), student, mine, seen, asked.now),
    )  # fmt: skip


def plan_begin(room: Room, asked: Asked) -> Answer:
    """Begin to work by a plan that was agreed to."""
    return _in_plan(
        room, asked, "plan_active",
        lambda student, mine, seen: plans.activate(
            room.db, asked.account, student, mine, seen, day_of(asked, "review_on"), asked.today, asked.now
        ),
    )  # fmt: skip


def plan_end(room: Room, asked: Asked) -> Answer:
    """End a plan."""
    return _in_plan(
        room, asked, "plan_over",
        lambda student, mine, seen: plans.end_plan(
            room.db, asked.account, student, mine, seen, asked.sent("result"), asked.now
        ),
    )  # fmt: skip


def plan_link(room: Room, asked: Asked) -> Answer:
    """Make a link that opens the plan once, and show it this once. Those made before open nothing any more."""
    token = plans.make_link(room.db, asked.account, asked.parts["student_id"], asked.parts["plan_id"], asked.now)
    return plan.page(room, asked, at("plan_by_link", token=token))


def plan_links_end(room: Room, asked: Asked) -> Answer:
    """Let no link open the plan any more."""
    student, mine = asked.parts["student_id"], asked.parts["plan_id"]
    plans.end_links(room.db, asked.account, student, mine, asked.now)
    return Go(at("plan", student_id=student, plan_id=mine), "plan_links_ended")


def _in_plan(room: Room, asked: Asked, said: str, do: Callable[[str, str, int], object]) -> Answer:
    student, mine = asked.parts["student_id"], asked.parts["plan_id"]
    do(student, mine, number_of(asked, "version"))
    return Go(at("plan", student_id=student, plan_id=mine), said)


def _student(asked: Asked) -> Student:
    """Return who speaks for the student: themselves, or an adult who says that the student sits beside them."""
    return Beside(asked.account) if asked.sent("beside") else asked.account


#: Every form about one student: the address's name, the right that it takes, and what answers. ``caseload_actions`` is beside
#: them: it is about some students, each of whom :func:`many` asks about. An answer may come from whoever was asked, and a plan
#: is agreed to by the student beside whom an adult sits: :func:`answer` and :mod:`serving.cases.plans` look closer.
FORMS: tuple[tuple[str, Action, Callable[[Room, Asked], Answer]], ...] = (
    ("case_notes", "write_note", note),
    ("case_note", "write_note", revise_note),
    ("case_contacts", "record_contact", contact),
    ("case_disagreements", "disagree", disagree),
    ("case_steps", "write_note", step),
    ("case_step_done", "write_note", finish_step),
    ("case_raise", "raise_student", raise_student),
    ("case_claim", "claim", claim),
    ("case_assign", "assign", assign),
    ("case_questions", "work_case", ask),
    ("case_answers", "write_note", answer),
    ("case_snooze", "work_case", snooze),
    ("case_resume", "work_case", resume),
    ("case_monitor", "work_case", monitor),
    ("case_close", "work_case", close),
    ("case_reopen", "work_case", reopen),
    ("case_supports", "start_support", start_support),
    ("case_support_review", "start_support", review_support),
    ("case_support_end", "start_support", end_support),
    ("plans", "write_learning_plan", begin_plan),
    ("plan_goal", "write_learning_plan", plan_goal),
    ("plan_options", "write_learning_plan", plan_option),
    ("plan_choices", "write_learning_plan", plan_choices),
    ("plan_agree", "write_learning_plan", plan_agree),
    ("plan_withdraw", "write_learning_plan", plan_withdraw),
    ("plan_begin", "write_learning_plan", plan_begin),
    ("plan_end", "write_learning_plan", plan_end),
    ("plan_links", "write_learning_plan", plan_link),
    ("plan_links_end", "write_learning_plan", plan_links_end),
)


# -- what was sent -----------------------------------------------------------------------------------------------------


def _done(student: str, said: str) -> Go:
    return Go(at("student", student_id=student), said)


def day_of(asked: Asked, name: str) -> date | None:
    """Return a day that was sent, None where it is none."""
    try:
        return date.fromisoformat(asked.sent(name))
    except ValueError:
        return None


def number_of(asked: Asked, name: str) -> int:
    """Return a version that was sent."""
    return plan.number(asked.sent(name))


def _sees(room: Room, asked: Asked, account_id: str, students: Iterable[str], action: Action) -> None:
    """Refuse somebody who is to do something for students with whom they have not the right to do it.

    Nothing is asked where nobody was named. An account that there is none of is refused in the same words.
    """
    if not account_id:
        return
    try:
        account: Account = people.find(room.db, room.tenant, account_id)
    except NotFound:
        may = False
    else:
        theirs = access.visible(room.records, account, asked.today)
        may = all(theirs.may(student, action) for student in students)
    if not may:
        wrong = Problem("assignee", "colleague", "They may not do this for this student", "Choose somebody else.")
        raise Refused([wrong], "The case was not changed")


def opening_of(room: Room, asked: Asked) -> Opening:
    """Return what opens a case of the student of the address, where none is open."""
    student = asked.parts["student_id"]
    return _openings(room, asked, [student])[student]


def _openings(room: Room, asked: Asked, students: Iterable[str]) -> dict[str, Opening]:
    """Return what opens a case of each student: the newest list where it suggests a check-in, else the colleague who asks.

    Of areas that the reader may not know of nothing is taken: the evidence is shown to whoever sees the case.
    """
    wanted = list(students)
    found = {student: Opening("colleague") for student in wanted}
    if room.scored is None:
        return found
    on_list = pl.col("student_id").is_in(wanted), pl.col("target").is_in(list(OUTCOMES)), pl.col("band") == BANDS[0]
    rows: dict[str, list[Mapping[str, object]]] = {}
    hidden = _hidden(room, asked, wanted)
    for row in room.scored.filter(*on_list).sort("prediction_id").iter_rows(named=True):
        student = row["student_id"]
        if student not in hidden and (row["target"] != LEAVING or asked.seen.may(student, "see_dropout")):
            rows.setdefault(student, []).append(row)
    since = room.listing.first_listed if room.listing else {}
    for student, mine in rows.items():
        concepts = sorted({one["concept"] for row in mine for one in row["reasons"] or ()})  # type: ignore[attr-defined]
        by_rule = all(row["model_version"] in _NO_MODEL for row in mine)
        found[student] = Opening(
            "rule" if by_rule else "list", tuple(concepts), tuple(str(row["prediction_id"]) for row in mine),
            min((since[key] for row in mine if (key := (student, str(row["target"]))) in since), default=None),
        )  # fmt: skip
    return found


def _hidden(room: Room, asked: Asked, students: list[str]) -> frozenset[str]:
    """Return those who objected, and whose school's scores are switched off: what is not shown opens nothing."""
    stopped, objected = room.hidden(asked.today), room.objected(asked.today)
    if not stopped:
        return objected
    there = room.day(asked.today).stays.filter(
        pl.col("student_id").is_in(students), pl.col("organisation_id").is_in(sorted(stopped))
    )
    return objected | frozenset(there["student_id"])
