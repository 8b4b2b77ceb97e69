"""The forms in which people have images of digits, one module each."""

from inkdigits.data.forms.csv_tables import load_table
from inkdigits.data.forms.form import PARTS, Form, Part
from inkdigits.data.forms.known_forms import describe_missing, find_form

__all__ = ["PARTS", "Form", "Part", "describe_missing", "find_form", "load_table"]
