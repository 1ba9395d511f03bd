// Has nothing of its own: precompiled.cmake says what its precompiled header is for.
