"""Undercover: listed confidential names never leave, on any way out."""
