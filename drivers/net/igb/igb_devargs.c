/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <string.h>

#include <rte_common.h>
#include <rte_kvargs.h>
#include <rte_string_fns.h>

#include "igb_devargs.h"
#include "igb_logs.h"

struct parse_context {
	const char *name;
	bool vdev;
	struct igb_devargs *devargs;
};

static int
parse_path(const char *value, void *field)
{
	if (value == NULL || value[0] != '/' || value[1] == '\0' ||
			strlcpy(field, value, sizeof(((struct igb_devargs *)0)->path)) >=
					sizeof(((struct igb_devargs *)0)->path))
		return -EINVAL;
	return 0;
}

static int
parse_bool(const char *value, void *field)
{
	if (value == NULL || (strcmp(value, "0") != 0 && strcmp(value, "1") != 0))
		return -EINVAL;
	*(bool *)field = value[0] == '1';
	return 0;
}

static int
parse_dma(const char *value, void *field)
{
	return value == NULL ? -EINVAL : gantry_dma_mode_of_name(value, field);
}

static int
parse_dma_debug(const char *value, void *field)
{
	enum gantry_dma_debug_level *level = field;
	bool on;

	if (value != NULL && strcmp(value, "abort") == 0) {
		*level = GANTRY_DMA_DEBUG_ABORT;
		return 0;
	}
	if (parse_bool(value, &on) != 0)
		return -EINVAL;
	*level = on ? GANTRY_DMA_DEBUG_ON : GANTRY_DMA_DEBUG_OFF;
	return 0;
}

/* All device arguments. */
static const struct {
	const char *key;
	const char *values; /* permitted values, for the message */
	int (*parse)(const char *value, void *field);
	size_t field;
	bool vdev; /* for a vdev only: elsewhere the name of the device holds it */
} keys[] = {
	{ "path", "the absolute path of a socket, at most 107 bytes", parse_path,
			offsetof(struct igb_devargs, path), true },
	{ "untested", "0 or 1", parse_bool, offsetof(struct igb_devargs, untested), false },
	{ "dma", "auto, direct, window, strict or bounce", parse_dma,
			offsetof(struct igb_devargs, dma), false },
	{ "dma_debug", "0, 1 or abort", parse_dma_debug, offsetof(struct igb_devargs, dma_debug),
			false },
};

static int
parse_one(const char *key, const char *value, void *arg)
{
	const struct parse_context *ctx = arg;
	char known[128] = "";
	unsigned int i;

	for (i = 0; i < RTE_DIM(keys); i++) {
		if (keys[i].vdev && !ctx->vdev)
			continue;
		if (strcmp(key, keys[i].key) == 0) {
			if (keys[i].parse(value, (char *)ctx->devargs + keys[i].field) == 0)
				return 0;
			IGB_INIT_LOG(ERR, ctx, "devarg %s=%s: must be %s", key,
					value == NULL ? "" : value, keys[i].values);
			return -EINVAL;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
				known[0] == '\0' ? "" : ", ", keys[i].key);
	}
	IGB_INIT_LOG(ERR, ctx, "unknown devarg '%s'; known: %s", key, known);
	return -EINVAL;
}

int
igb_devargs_parse(const char *name, const char *args, bool vdev, struct igb_devargs *devargs)
{
	struct parse_context ctx = { .name = name, .vdev = vdev, .devargs = devargs };
	struct rte_kvargs *kvlist;
	int ret;

	memset(devargs, 0, sizeof(*devargs));
	if (args == NULL)
		args = "";
	kvlist = rte_kvargs_parse(args, NULL);
	if (kvlist == NULL) {
		IGB_INIT_LOG(ERR, &ctx, "devargs '%s' are not of the form key=value,...", args);
		return -EINVAL;
	}
	ret = rte_kvargs_process(kvlist, NULL, parse_one, &ctx);
	rte_kvargs_free(kvlist);
	if (ret == 0 && vdev && devargs->path[0] == '\0') {
		IGB_INIT_LOG(ERR, &ctx,
				"devargs '%s': path=SOCKET is missing: name the socket that "
				"gantry-nic listens on",
				args);
		ret = -EINVAL;
	}
	return ret == 0 ? 0 : -EINVAL;
}
