"""Settings of a process: defaults, the configuration file, the environment, the command line."""

from .configuration import Configuration, config_hash, effective
from .errors import SettingsError
from .resolve import Settings, load_settings

__all__ = [
    "Configuration",
    "Settings",
    "SettingsError",
    "config_hash",
    "effective",
    "load_settings",
]
