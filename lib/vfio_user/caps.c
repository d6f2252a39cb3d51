/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The JSON in VERSION: the capabilities of each side. Names that this library does not know
 * (twin_socket, migration) are ignored: they are offers, and an offer that a side does not answer
 * is declined.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "msg.h"

/* Read an integer of at least min. A larger one than max is taken as max, the limit of its use. */
static int
get_number(const json_t *caps, const char *name, uint64_t min, uint64_t max, uint64_t *value,
		bool *has)
{
	const json_t *j = json_object_get(caps, name);
	json_int_t v;

	if (j == NULL)
		return 0;
	if (!json_is_integer(j))
		return -EINVAL;
	v = json_integer_value(j);
	if (v < 0 || (uint64_t)v < min)
		return -EINVAL;
	*value = (uint64_t)v > max ? max : (uint64_t)v;
	if (has != NULL)
		*has = true;
	return 0;
}

int
vfu_caps_parse(struct vfu_caps *caps, const char *json, size_t len, const char **why)
{
	uint64_t fds = VFIO_USER_DEFAULT_MSG_FDS;
	uint64_t data = VFIO_USER_DEFAULT_DATA_MAX;
	uint64_t maps = VFIO_USER_DEFAULT_DMA_MAPS;
	uint64_t pgsizes = VFIO_USER_DEFAULT_PGSIZES, iopt = 0, pages = 0;
	json_t *top = NULL;
	const json_t *c, *j;
	int ret = -EINVAL;

	memset(caps, 0, sizeof(*caps));
	if (len == 0) {
		ret = 0;
		goto out;
	}
	*why = "the capabilities are no JSON text that ends in NUL";
	if (json[len - 1] != '\0')
		goto out;
	top = json_loads(json, 0, NULL);
	if (top == NULL)
		goto out;
	*why = "the capabilities are no JSON object";
	c = json_object_get(top, "capabilities");
	if (!json_is_object(top) || (c != NULL && !json_is_object(c)))
		goto out;
	if (c == NULL) {
		ret = 0;
		goto out;
	}
	*why = "the value of a capability is invalid";
	/* With a transfer size below the width of a register, no message could reach one. */
	if (get_number(c, "max_msg_fds", 0, VFU_MSG_FDS, &fds, NULL) != 0 ||
			get_number(c, "max_data_xfer_size", 8, VFU_MSG_DATA_MAX, &data, NULL) !=
					0 ||
			get_number(c, "max_dma_maps", 1, UINT32_MAX, &maps,
					&caps->has_max_dma_maps) != 0 ||
			get_number(c, "pgsizes", 1, INT64_MAX, &pgsizes, &caps->has_pgsizes) != 0 ||
			get_number(c, VFU_CAP_IO_PAGE_TABLE, 1, VFU_IO_PAGE_TABLE_VERSION, &iopt,
					NULL) != 0 ||
			get_number(c, VFU_CAP_QUEUE_PAGES, 1, VFU_QUEUE_PAGES_VERSION, &pages,
					NULL) != 0)
		goto out;
	j = json_object_get(c, "write_multiple");
	if (j != NULL) {
		if (!json_is_boolean(j))
			goto out;
		caps->has_write_multiple = true;
		caps->write_multiple = json_is_true(j);
	}
	ret = 0;
out:
	json_decref(top);
	caps->max_msg_fds = (uint32_t)fds;
	caps->max_data_xfer_size = (uint32_t)data;
	caps->max_dma_maps = (uint32_t)maps;
	caps->pgsizes = pgsizes;
	caps->io_page_table = (uint32_t)iopt;
	caps->queue_pages = (uint32_t)pages;
	return ret;
}

size_t
vfu_caps_format(const struct vfu_caps *caps, char *json, size_t size)
{
	char maps[40] = "", pgsizes[48] = "", iopt[48] = "", pages[48] = "";
	const char *multiple = "";
	int n;

	if (caps->has_max_dma_maps)
		snprintf(maps, sizeof(maps), ",\"max_dma_maps\":%u", caps->max_dma_maps);
	if (caps->has_pgsizes)
		snprintf(pgsizes, sizeof(pgsizes), ",\"pgsizes\":%llu",
				(unsigned long long)caps->pgsizes);
	if (caps->io_page_table != 0)
		snprintf(iopt, sizeof(iopt), ",\"" VFU_CAP_IO_PAGE_TABLE "\":%u",
				caps->io_page_table);
	if (caps->queue_pages != 0)
		snprintf(pages, sizeof(pages), ",\"" VFU_CAP_QUEUE_PAGES "\":%u",
				caps->queue_pages);
	if (caps->has_write_multiple)
		multiple = caps->write_multiple ? ",\"write_multiple\":true" :
						  ",\"write_multiple\":false";
	n = snprintf(json, size,
			"{\"capabilities\":{\"max_msg_fds\":%u,\"max_data_xfer_size\":%u%s%s%s%s%s}}",
			caps->max_msg_fds, caps->max_data_xfer_size, maps, pgsizes, iopt, pages,
			multiple);
	return (size_t)n + 1;
}
