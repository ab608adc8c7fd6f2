"""Live speech-to-text as a system service: the public names for plugin authors, listed in `__init__.pyi`.

They are imported when they are used: the command line starts in a tenth of the time that all of them take.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.2.0"
