/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The capabilities of VERSION: their limits on both sides, and the text that announces them. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "msg.h"

static struct vfu_caps caps;

static int
parse(const char *json)
{
	const char *why = NULL;
	int ret = vfu_caps_parse(&caps, json, strlen(json) + 1, &why);

	if (ret != 0)
		assert_non_null(why);
	return ret;
}

static int
parse_one(const char *name, const char *value)
{
	char json[200];

	snprintf(json, sizeof(json), "{\"capabilities\":{\"%s\":%s}}", name, value);
	return parse(json);
}

static void
numbers_have_exact_limits(void **state)
{
	static const struct {
		const char *name, *value;
		int ret;
		uint64_t want;
		size_t at, size;
	} t[] = {
#define CAP(name, value, ret, want, field) \
	{ name, value, ret, want, offsetof(struct vfu_caps, field), sizeof(caps.field) }
		CAP("max_msg_fds", "0", 0, 0, max_msg_fds),
		CAP("max_msg_fds", "1", 0, 1, max_msg_fds),
		CAP("max_msg_fds", "16", 0, 16, max_msg_fds),
		CAP("max_msg_fds", "17", 0, 16, max_msg_fds),
		CAP("max_msg_fds", "-1", -EINVAL, 0, max_msg_fds),
		CAP("max_msg_fds", "1.0", -EINVAL, 0, max_msg_fds),
		CAP("max_data_xfer_size", "7", -EINVAL, 0, max_data_xfer_size),
		CAP("max_data_xfer_size", "8", 0, 8, max_data_xfer_size),
		CAP("max_data_xfer_size", "1048576", 0, 1048576, max_data_xfer_size),
		CAP("max_data_xfer_size", "1048577", 0, 1048576, max_data_xfer_size),
		CAP("max_dma_maps", "0", -EINVAL, 0, max_dma_maps),
		CAP("max_dma_maps", "1", 0, 1, max_dma_maps),
		CAP("max_dma_maps", "4294967296", 0, UINT32_MAX, max_dma_maps),
		CAP("pgsizes", "0", -EINVAL, 0, pgsizes),
		CAP("pgsizes", "1", 0, 1, pgsizes),
		CAP("pgsizes", "9223372036854775807", 0, INT64_MAX, pgsizes),
		CAP(VFU_CAP_IO_PAGE_TABLE, "0", -EINVAL, 0, io_page_table),
		CAP(VFU_CAP_IO_PAGE_TABLE, "1", 0, 1, io_page_table),
		CAP(VFU_CAP_IO_PAGE_TABLE, "2", 0, 1, io_page_table),
		CAP(VFU_CAP_QUEUE_PAGES, "0", -EINVAL, 0, queue_pages),
		CAP(VFU_CAP_QUEUE_PAGES, "1", 0, 1, queue_pages),
		CAP(VFU_CAP_QUEUE_PAGES, "9", 0, 1, queue_pages),
	};
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t got = 0;

		assert_int_equal(parse_one(t[i].name, t[i].value), t[i].ret);
		if (t[i].ret != 0)
			continue;
		memcpy(&got, (uint8_t *)&caps + t[i].at, t[i].size);
		assert_true(got == t[i].want);
	}
}

static void
missing_capabilities_have_defaults(void **state)
{
	static const char *const none[] = { "{}", "{\"capabilities\":{}}", "{\"other\":1}" };
	const char *why;
	unsigned int i;

	for (i = 0; i <= sizeof(none) / sizeof(none[0]); i++) {
		memset(&caps, 0xFF, sizeof(caps));
		assert_int_equal(i == 0 ? vfu_caps_parse(&caps, "", 0, &why) : parse(none[i - 1]),
				0);
		assert_int_equal(caps.max_msg_fds, 1);
		assert_int_equal(caps.max_data_xfer_size, 1048576);
		assert_int_equal(caps.max_dma_maps, 65535);
		assert_true(caps.pgsizes == 4096);
		assert_false(caps.has_max_dma_maps || caps.has_pgsizes || caps.has_write_multiple);
		assert_int_equal(caps.io_page_table | caps.queue_pages, 0);
	}
	assert_int_equal(parse_one("max_dma_maps", "5"), 0);
	assert_true(caps.has_max_dma_maps && !caps.has_pgsizes);
	assert_int_equal(parse_one("pgsizes", "8192"), 0);
	assert_true(caps.has_pgsizes && !caps.has_max_dma_maps);
}

static void
non_object_json_is_refused(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "1", "{\"capabilities\":[]}",
		"{\"capabilities\":1}", "{\"capabilities\":{\"write_multiple\":1}}" };
	const char *why;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i]), -EINVAL);
	/* The length includes the terminating NUL. */
	assert_int_equal(vfu_caps_parse(&caps, "{}", 2, &why), -EINVAL);
	assert_int_equal(vfu_caps_parse(&caps, "{}", 3, &why), 0);
}

static void
parsed_capabilities_are_formatted_again(void **state)
{
	static const char *const texts[] = {
		"{\"capabilities\":{\"max_msg_fds\":3,\"max_data_xfer_size\":64}}",
		"{\"capabilities\":{\"max_msg_fds\":3,\"max_data_xfer_size\":64,\"max_dma_maps\":7}}",
		"{\"capabilities\":{\"max_msg_fds\":3,\"max_data_xfer_size\":64,\"pgsizes\":8192}}",
		"{\"capabilities\":{\"max_msg_fds\":3,\"max_data_xfer_size\":64,\"" VFU_CAP_IO_PAGE_TABLE
		"\":1}}",
		"{\"capabilities\":{\"max_msg_fds\":3,\"max_data_xfer_size\":64,\"" VFU_CAP_QUEUE_PAGES
		"\":1}}",
		"{\"capabilities\":{\"max_msg_fds\":3,\"max_data_xfer_size\":64,\"write_multiple\":true}}",
		"{\"capabilities\":{\"max_msg_fds\":3,\"max_data_xfer_size\":64,\"write_multiple\":false}}",
	};
	char json[512];
	unsigned int i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(texts[i]), 0);
		assert_int_equal(vfu_caps_format(&caps, json, sizeof(json)), strlen(texts[i]) + 1);
		assert_string_equal(json, texts[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_exact_limits),
		cmocka_unit_test(missing_capabilities_have_defaults),
		cmocka_unit_test(non_object_json_is_refused),
		cmocka_unit_test(parsed_capabilities_are_formatted_again),
	};

	return cmocka_run_group_tests_name("vfio_user_caps", tests, NULL, NULL);
}
