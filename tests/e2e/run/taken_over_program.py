#!/usr/bin/env python3
"""taken_over_program.py MAMORI BUILD - taken_over.py, with a plugin that is a program."""
import os
import runpy
import sys

sys.argv.append("program")
runpy.run_path(os.path.join(os.path.dirname(os.path.abspath(__file__)), "taken_over.py"), run_name="__main__")
