# SPDX-License-Identifier: MIT
"""Measuring peers beside each other, and reading what was measured. Used by compare.py and by
tools/plot."""
