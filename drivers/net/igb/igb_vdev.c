/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * --vdev net_gantry_igb0,path=SOCKET[,devargs]: for applications that can name
 * a vdev only. It plugs vfio_user:SOCKET[,devargs] and is otherwise nothing;
 * the port's name is the socket's path.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bus_vdev_driver.h>
#include <rte_dev.h>
#include <rte_kvargs.h>
#include <rte_string_fns.h>

#include "igb_ethdev.h"

#define MAX_DEVARGS 512

struct vdev_args {
	char path[256];
	char rest[MAX_DEVARGS]; /* ",key=value..." */
};

static int
igb_vdev_arg(const char *key, const char *value, void *arg)
{
	struct vdev_args *a = arg;
	size_t len = strlen(a->rest);
	int ret;

	if (strcmp(key, "path") == 0)
		ret = snprintf(a->path, sizeof(a->path), "%s", value == NULL ? "" : value) <
			(int)sizeof(a->path) ? 0 : -ENAMETOOLONG;
	else
		ret = snprintf(a->rest + len, sizeof(a->rest) - len, ",%s=%s", key,
			value == NULL ? "" : value) < (int)(sizeof(a->rest) - len) ?
			0 : -ENAMETOOLONG;
	return ret;
}

static int
igb_vdev_parse(struct rte_vdev_device *vdev, struct vdev_args *args)
{
	const char *text = rte_vdev_device_args(vdev);
	struct igb_hw id;
	struct rte_kvargs *kvlist;
	int ret = 0;

	if (text == NULL)
		text = "";
	memset(args, 0, sizeof(*args));
	rte_strscpy(id.name, rte_vdev_device_name(vdev), sizeof(id.name));
	kvlist = rte_kvargs_parse(text, NULL);
	if (kvlist != NULL) {
		ret = rte_kvargs_process(kvlist, NULL, igb_vdev_arg, args);
		rte_kvargs_free(kvlist);
	}
	if (kvlist == NULL || ret != 0 || args->path[0] != '/') {
		IGB_INIT_LOG(ERR, &id, "'%s': path=SOCKET is needed, an absolute path",
			text);
		return -EINVAL;
	}
	return 0;
}

static int
igb_vdev_probe(struct rte_vdev_device *vdev)
{
	char devargs[sizeof(struct vdev_args) + 16];
	struct vdev_args args;
	int ret;

	/* A secondary process gets the primary's devices by the vfio-user bus. */
	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return 0;
	ret = igb_vdev_parse(vdev, &args);
	if (ret != 0)
		return ret;
	snprintf(devargs, sizeof(devargs), "vfio_user:%s%s", args.path, args.rest);
	return rte_dev_probe(devargs);
}

static int
igb_vdev_remove(struct rte_vdev_device *vdev)
{
	struct vdev_args args;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY || igb_vdev_parse(vdev, &args) != 0)
		return 0;
	/* It may have been unplugged by its own name before. */
	rte_eal_hotplug_remove("vfio_user", args.path);
	return 0;
}

static struct rte_vdev_driver igb_vdev_driver = {
	.driver = { .name = IGB_DRIVER_NAME },
	.probe = igb_vdev_probe,
	.remove = igb_vdev_remove,
};

void
igb_vdev_register(void)
{
	rte_vdev_register(&igb_vdev_driver);
}

RTE_PMD_REGISTER_PARAM_STRING(net_gantry_igb, "path=<string> untested=<0|1> "
	"dma=<auto|direct|window|strict|bounce> dma_debug=<0|1|abort>");
