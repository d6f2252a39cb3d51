# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The gantry authors
"""The daemon of a test: gantry-nic with some ports, in a folder of its own.

    Nic('a', 'b')  --- starts --->  gantry-nic --control PATH --port a:... --port b:...
        |                                |
        +---- control (JSON-RPC) --------+--- sockets a.sock, b.sock <--- the application

The application runs on its own: the caller starts it with the sockets, and ends it. A port has a
generator (wire=gen) unless its argument has another wire.

Data structures

    Nic  .folder   --> /tmp/gantry.XXXXXXXX: the sockets, gantry-nic.log
         .process  --> subprocess.Popen of gantry-nic, the leader of its own session
         .control  --> Control: the connection to --control (control.py)
    flow, configuration, result: dictionaries, as in the JSON of the daemon (flows.py)

Lifecycle: Nic() returns once the daemon is ready and answers. The test program waits for drivers
(wait_for_drivers()), replaces the flows (set_flows()), starts them (start()), waits until they have
stopped (wait_until_sent()) and until no frame arrives any longer (settled()). close() ends the
daemon, raises DaemonError if it did not end well, and removes the folder, also after an exception
in "with".

Threads: the package has none. One thread at a time may use a Nic, because requests and responses
take turns on one connection. The daemon accepts other connections in the meantime.

Deliberately not done: the package does not start applications, does not see frames (results are
those of the daemon), and imports nothing but the standard library. Every wait has a limit.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time

from . import flows
from .control import Control

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_S = 20    # for the daemon to be ready
END_S = 10      # for the daemon to end


class DaemonError(Exception):
    """The daemon did not start, or ended, or what the test waits for did not happen."""


def find_binary():
    """Return gantry-nic: that of $GANTRY_NIC, of this repository's build, or of the PATH."""
    built = os.path.join(TOP, 'build', 'app', 'gantry-nic')
    for path in os.environ.get('GANTRY_NIC'), built, shutil.which('gantry-nic'):
        if path and os.access(path, os.X_OK):
            return path
    raise DaemonError('there is no gantry-nic: build it (ninja -C build), or set GANTRY_NIC')


class Nic:
    """A daemon with these ports, each 'NAME' or 'NAME:KEY=VALUE,...' as for --port without socket.

    options are further arguments of gantry-nic, such as '--cores', '1'.
    """

    def __init__(self, *ports, binary=None, options=(), prefix=()):
        self.folder = tempfile.mkdtemp(prefix='gantry.', dir='/tmp')
        self.names = [p.partition(':')[0] for p in ports]
        self.control = None
        self.while_waiting = lambda: None   # may raise, because the application has ended
        self.log = os.path.join(self.folder, 'gantry-nic.log')
        path = os.path.join(self.folder, 'control')
        argv = [*prefix, binary or find_binary(), '--control', path, *options]
        for port in ports:
            name, _, keys = port.partition(':')
            if 'wire=' not in keys:
                keys = ','.join(filter(None, (keys, 'wire=gen,start=0')))
            argv += ['--port', '%s:socket=%s,%s' % (name, self.socket(name), keys)]
        with open(self.log, 'wb') as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True)
        try:
            self.wait_until(lambda: 'gantry-nic: ready' in self.text(), 'is not ready', START_S)
            self.control = Control(path)
        except BaseException:
            self.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def text(self):
        """Return all that the daemon has printed."""
        with open(self.log, encoding='utf-8', errors='replace') as f:
            return f.read()

    def socket(self, name):
        """Return the path at which a driver attaches to a port."""
        return os.path.join(self.folder, name + '.sock')

    def eal(self, name):
        """Return the EAL device of a port, for -a."""
        return 'vfio_user:' + self.socket(name)

    def wait_until(self, what, otherwise, timeout=30):
        """Wait until what() is true, and return it. Raise DaemonError after timeout seconds."""
        end = time.monotonic() + timeout
        while not (found := what()):
            if self.process.poll() is not None:
                raise DaemonError('gantry-nic ended with status %d:\n%s' % (
                    self.process.returncode, self.text().strip()))
            self.while_waiting()
            if time.monotonic() > end:
                raise DaemonError('gantry-nic: after %d s: %s' % (timeout, otherwise))
            time.sleep(0.005)
        return found

    def report(self, new_interval=False):
        """Return the statistics, as --stats-json has them."""
        return self.control.call('get_report', {'new_interval': new_interval})

    def ports(self):
        """Return the statistics of the ports, by name."""
        return {p['name']: p for p in self.report()['ports']}

    def set_config(self, config):
        """Replace all flows by those of a configuration of the Open Traffic Generator model."""
        self.control.call('set_config', config)

    def set_flows(self, *these):
        """Replace all flows."""
        self.set_config(flows.config(self.names, these))

    def start(self, *names):
        """Start flows; without names all."""
        self.transmit('start', names)

    def stop(self, *names):
        """Stop flows; without names all."""
        self.transmit('stop', names)

    def transmit(self, state, names):
        self.control.call('set_control_state', {'choice': 'traffic', 'traffic': {
            'choice': 'flow_transmit',
            'flow_transmit': {'state': state, 'flow_names': list(names)}}})

    def set_link(self, name, up):
        """Let the far end of a port's cable signal, or not."""
        self.control.call('set_control_state', {'choice': 'port', 'port': {
            'choice': 'link', 'link': {'state': 'up' if up else 'down', 'port_names': [name]}}})

    def flows(self):
        """Return the results of the flows, by name."""
        return {f['name']: f for f in self.report()['flows']}

    def wait_for_drivers(self, *names, timeout=30):
        """Wait until drivers are attached to these ports, with links; without names all."""
        self.wait_until(
            lambda: all(p['device']['client'] and p['device']['link']
                        for p in self.ports().values() if p['name'] in (names or self.names)),
            'there is a port without a driver, or without a link', timeout)

    def wait_until_sent(self, timeout=60):
        """Wait until each flow has stopped, and return the results."""
        def sent():
            found = self.flows()
            return all(f['transmit'] == 'stopped' for f in found.values()) and found
        return self.wait_until(sent, 'flows are still sending', timeout)

    def settled(self, name=None, quiet=0.05, timeout=5):
        """Wait until no frame has arrived for quiet seconds, and return the results of flow name.

        Without a name it returns those of all flows.
        """
        end = time.monotonic() + timeout
        found, since = self.flows(), time.monotonic()
        while time.monotonic() < min(end, since + quiet):
            time.sleep(quiet / 5)
            now = self.flows()
            if any(now[n]['frames_rx'] != found[n]['frames_rx'] for n in now):
                since = time.monotonic()
            found = now
        return found if name is None else found[name]

    def close(self):
        """End the daemon. Raise DaemonError if it did not end well."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(END_S)
            text = self.text()
        finally:
            self.kill()
        if status != 0:
            raise DaemonError('gantry-nic ended with status %d:\n%s' % (status, text.strip()))

    def kill(self):
        if self.control:
            self.control.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
