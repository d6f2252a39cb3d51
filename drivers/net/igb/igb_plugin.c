/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * What happens when the plugin is loaded: it registers its log types, and its driver with three
 * buses.
 */

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "igb_ethdev.h"

RTE_LOG_REGISTER(igb_logtype_init, pmd.net.gantry_igb.init, NOTICE)
RTE_LOG_REGISTER(igb_logtype_driver, pmd.net.gantry_igb.driver, NOTICE)

/*
 * The dynamic loader treats the same plugin in another folder as another library, with variables
 * of its own. Only the list of loaded libraries reveals an earlier copy.
 */
static int
igb_is_earlier_copy(struct dl_phdr_info *info, size_t size, void *arg)
{
	const char *name = strrchr(info->dlpi_name, '/');

	if (info->dlpi_addr == (uintptr_t)arg)
		return -1; /* this copy: no other copy was loaded earlier */
	return name != NULL && strncmp(name + 1, IGB_PLUGIN_FILE, strlen(IGB_PLUGIN_FILE)) == 0;
}

RTE_INIT(igb_register)
{
	static const char here;
	Dl_info self;

	if (dladdr(&here, &self) != 0 && dl_iterate_phdr(igb_is_earlier_copy, self.dli_fbase) > 0) {
		rte_log(RTE_LOG_WARNING, igb_logtype_init,
				"net_gantry_igb: a second copy of the "
				"plugin was loaded and is not used: %s\n",
				self.dli_fname);
		return;
	}
	igb_vfio_user_register();
	igb_pci_register();
	igb_vdev_register();
}

GANTRY_PMD_EXPORT_NAME(net_gantry_igb);
