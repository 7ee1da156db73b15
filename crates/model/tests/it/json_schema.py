"""Checks JSON Schemas against their dialect, and values against them.

Reads a list of {"schema", "values"} from stdin; prints, for each, the list of verdicts on its values.
"""

import json
import sys

from jsonschema import Draft202012Validator, FormatChecker

verdicts = []
for case in json.load(sys.stdin):
    Draft202012Validator.check_schema(case["schema"])
    validator = Draft202012Validator(case["schema"], format_checker=FormatChecker(["date", "uuid"]))
    verdicts.append([validator.is_valid(value) for value in case["values"]])
json.dump(verdicts, sys.stdout)
