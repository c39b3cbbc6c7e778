"""What is recorded about a trial.

trial         the record: frozen dataclasses of plain values
codec         the record to and from msgpack
view          the record as named, typed columns, for everything that shows, filters or exports trials
output_names  the names of what a trial leaves in a trials folder
"""
