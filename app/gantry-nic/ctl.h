/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * gantry-nic ctl: requests of a person to a daemon with --control.
 */

#ifndef CTL_H
#define CTL_H

/*
 * @param argv  "ctl", the socket, the command, and its arguments
 * @return the exit status: 0 success, 1 the daemon refused or is not there, 2 wrong arguments
 */
int ctl_main(int argc, char **argv);

#endif /* CTL_H */
