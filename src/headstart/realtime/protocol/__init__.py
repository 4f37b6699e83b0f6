"""The wire protocol without any I/O: text or bytes in, intents out; frames in, text or bytes out.

Both versions of the protocol are spoken: objects (1.0.0) and arrays (2.0.0, with one binary kind).
"""
