"""Reads a description in OpenAPI from standard input and fails if it is not a valid one."""

import json
import sys

from openapi_spec_validator import validate

validate(json.load(sys.stdin))
