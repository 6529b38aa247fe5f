"""Bridges to other people's tools: what they write read in, and what they read written out."""
