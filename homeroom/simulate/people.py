"""The people of a simulated district: names, words and languages. All are invented; none is anybody's."""

from __future__ import annotations

from itertools import product

#: Given and family names by culture. Any given name of a culture may meet any family name of it.
NAMES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("Ava", "Liam", "Nora", "Owen", "Ruby", "Miles", "Hazel", "Wyatt", "Clara", "Jude", "Ivy", "Cole", "Tess", "Grant",
      "Maeve", "Dean"),
     ("Aldridge", "Barlow", "Carver", "Dalton", "Ellery", "Fenwick", "Garner", "Holloway", "Ingram", "Kettle", "Larkin",
      "Marlowe", "Norwood", "Prescott", "Rowan", "Thatcher", "Underhill", "Whitlock")),
    (("Ana", "Mateo", "Luz", "Diego", "Camila", "Andrés", "Paloma", "Joaquín", "Ximena", "Rafael", "Inés", "Tomás"),
     ("Aguilar", "Benítez", "Cordero", "Delgado", "Escobar", "Fuentes", "Galindo", "Ibarra", "Montoya", "Quintero",
      "Salcedo", "Zamora")),
    (("Amina", "Yusuf", "Layla", "Omar", "Zahra", "Idris", "Salma", "Khalid", "Noor", "Hamza", "Huda", "Bilal"),
     ("Abdi", "Barre", "Farah", "Haddad", "Jama", "Karim", "Mansour", "Nasser", "Osman", "Rahal", "Saleh", "Warsame")),
    (("Linh", "Minh", "Mai", "Duc", "Thao", "Bao", "Jin", "Mei", "Hana", "Ren", "Soo-ah", "Wei"),
     ("Bui", "Chen", "Dang", "Hoang", "Ito", "Kwon", "Lam", "Mori", "Nguyen", "Pham", "Tran", "Zhou")),
    (("Imani", "Malik", "Nia", "Jabari", "Zuri", "Kofi", "Amara", "Tariq", "Esi", "Darius", "Sade", "Kwame"),
     ("Adeyemi", "Baptiste", "Coleman", "Dorsey", "Eze", "Freeman", "Gaines", "Langston", "Mensah", "Okafor", "Rollins",
      "Toussaint")),
)  # fmt: skip

#: Every pair of names, given and family, and where each culture's pairs begin.
PAIRS: tuple[tuple[str, str], ...] = tuple(pair for given, family in NAMES for pair in product(given, family))
GIVEN = tuple(pair[0] for pair in PAIRS)
FAMILY = tuple(pair[1] for pair in PAIRS)
STARTS = tuple(sum(len(given) * len(family) for given, family in NAMES[:at]) for at in range(len(NAMES) + 1))

#: Which language a family of another home language speaks, by culture; English is every culture's first.
LANGUAGES = ("en", "es", "ar", "so", "vi", "zh", "fr")
SPOKEN = ((0, 0), (1, 1), (2, 3), (4, 5), (6, 0))

PREFERRED = ("Alex", "Sam", "Kit", "Robin", "Jo", "Max", "Charlie", "Remi", "Nico", "Sky")
PRONOUNS = ("she/her", "he/him", "they/them")
RELATIONS = ("mother", "father", "grandmother", "aunt", "guardian")

_HOBBIES = ("drawing", "basketball", "fixing bikes", "cooking with my family", "the school band", "coding small games",
            "reading fantasy", "looking after my little brother", "skateboarding", "gardening with my grandmother",
            "running", "writing songs", "chess", "photography", "working on old radios")  # fmt: skip
_PROUD = ("how I helped my team finish", "my science project last year", "speaking two languages", "never giving up on maths",
          "the mural I painted", "taking care of my cousins", "learning to swim", "my poem in the school paper")  # fmt: skip
_QUALITIES = ("I listen well", "I am funny without hurting anybody", "I keep my promises", "I am patient with younger kids",
              "I notice when somebody is left out", "I work hard once I start", "I stay calm")  # fmt: skip
_WORRIES = ("reading out loud", "tests with a clock", "catching the late bus", "being called on when I am not sure",
            "falling behind when I miss a day", "loud hallways", "not knowing anybody in my class",
            "not having a quiet place for homework")  # fmt: skip
_WAYS = ("when I can see an example first", "when I can explain it to a friend", "when I can move around",
         "when I get time before I answer", "with pictures and diagrams", "when it has to do with real life",
         "in a small group", "when I hear it and write it down")  # fmt: skip
_ADULTS = ("my coach", "the librarian", "my art teacher", "my counselor", "the lady at the front desk", "my band director",
           "my homeroom teacher", "my aunt who works here")  # fmt: skip
_GOALS = ("hand in every project on time", "bring my maths mark up", "make the soccer team", "read twelve books this year",
          "become a nurse", "be the first in my family to go to college", "open my own repair shop", "talk more in class",
          "learn to play the trumpet")  # fmt: skip
_OTHERS = ("I take two buses to get here", "I work on weekends", "I would like more time at lunch",
           "please ask me in private if something is missing", "I sometimes need a break and then I am fine",
           "I like it when teachers greet me at the door")  # fmt: skip

#: What students say of themselves, by prompt of the table student_voice.
VOICE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("proud_of", tuple(f"I am proud of {one}." for one in _PROUD)),
    ("best_qualities", tuple(f"{one} and {two[0].lower() if two[0] != 'I' else two[0]}{two[1:]}." for one in _QUALITIES
                             for two in _QUALITIES if one < two)),
    ("activities_and_interests", tuple(f"Outside of class I like {one} and {two}." for one in _HOBBIES for two in _HOBBIES
                                       if one < two)),
    ("nervous_or_stressed", tuple(f"I get nervous about {one}." for one in _WORRIES)),
    ("how_i_learn_best", tuple(f"I learn best {one}." for one in _WAYS)),
    ("trusted_adult", tuple(f"If something is wrong I would talk to {one}." for one in _ADULTS)),
    ("my_goal", tuple(f"My goal is to {one}." for one in _GOALS)),
    ("other_share", tuple(f"{one[0].upper()}{one[1:]}." for one in _OTHERS)),
)  # fmt: skip

#: Accommodations, what staff are to do, and the kind of plan that names each.
ACCOMMODATIONS: tuple[tuple[str, str, str], ...] = (
    ("extra time", "Give half as much time again for tests and longer pieces.", "disability_plan"),
    ("quiet room", "Let the student take tests in a quiet room.", "disability_plan"),
    ("text to speech", "Give texts in a form that can be read aloud.", "disability_plan"),
    ("breaks", "Let the student leave for five minutes without asking.", "reasonable_adjustments"),
    ("bilingual glossary", "Allow a glossary in the home language.", "language_support"),
    ("inhaler at hand", "Let the student keep the inhaler and use it.", "health_plan"),
)

#: Reasons in a student's words for a goal about a skill.
GOALS = ("I want to be sure of this before the next test", "I want to practise this twice a week", "I want to explain this to "
         "somebody else", "I want to hand in two pieces of work on this", "I want to stop guessing at this")  # fmt: skip

#: Forms of resources: form, minutes, usable without internet, what makes it usable for everybody, language, and whether it
#: teaches or checks. All are of our own making and nobody else's (CC0 1.0).
RESOURCES: tuple[tuple[str, int, bool, str, str, str], ...] = (
    ("worksheet", 20, True, "large print", "en", "teaches"),
    ("film", 12, False, "captions", "en", "teaches"),
    ("game", 30, True, "colour-blind safe", "en", "teaches"),
    ("text", 25, True, "read aloud", "es", "teaches"),
    ("exercise", 15, False, "keyboard only", "en", "assesses"),
    ("check", 10, True, "large print", "en", "assesses"),
    ("check", 10, True, "read aloud", "es", "assesses"),
)
