# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""gantry for test programs: a software NIC that generates traffic and checks what returns."""

from .control import Control, Refused
from .flows import config, flow
from .nic import DaemonError, Nic

__all__ = ['Control', 'DaemonError', 'Nic', 'Refused', 'config', 'flow']
