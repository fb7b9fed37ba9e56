"""What can be wrong with the settings of a process."""


class SettingsError(Exception):
    """The engine cannot start like this; the text is one sentence that says what to change."""


class NoEffect(Exception):
    """A value that is understood and asks for what this engine does not do; the text says so."""
