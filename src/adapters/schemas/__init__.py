"""JSON Schemas of event types: a folder of files, checked and compiled at start by jsonschema-rs."""
