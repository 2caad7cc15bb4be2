"""The ground floor: a school's own export becomes one row of features per student and date.

``sources`` read an export, ``tables`` say what a row may hold and who may use it, ``records`` keep the rows and
let time through one gate, ``catalog`` and the concept files say what is computed, ``norms`` place a student
beside the class, and ``pipeline`` builds the feature table.
"""
