/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The reason that the server reports for each command that it refuses. The error number is the
 * same for most of them, so that only the reason describes what the client has to change.
 */

#include <fcntl.h>

#include "vfu_server_test.h"

#define NONE  VFIO_IRQ_SET_DATA_NONE
#define BOOL  VFIO_IRQ_SET_DATA_BOOL
#define EVENT VFIO_IRQ_SET_DATA_EVENTFD
#define FIRE  VFIO_IRQ_SET_ACTION_TRIGGER
#define MSIX  VFIO_PCI_MSIX_IRQ_INDEX

/* A range whose last byte is beyond 2^64. */
#define TOP (UINT64_MAX - 0xfff)

static const char version_text[] = "\0\0\1\0{\"capabilities\":{\"" VFU_CAP_IO_PAGE_TABLE "\":1}}";

/**
 * Send one command as a client of its own, and assert that the server refuses it with that reason.
 *
 * @param fds  nr_fds file descriptors that accompany the command
 */
static void
refuses(const char *why, uint16_t cmd, const void *payload, size_t len, const int *fds,
		unsigned int nr_fds)
{
	int s = raw_connect(dev.path);

	assert_int_equal(raw_command(s, VFIO_USER_VERSION, version_text, sizeof(version_text)), 0);
	dev.line[0] = '\0';
	assert_int_not_equal(raw_command_fds(s, cmd, payload, len, fds, nr_fds, NULL, NULL)
					     .error_no,
			0);
	if (strstr(dev.line, why) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", dev.line, why);
	close(s);
	wait_until(is_forgotten(&dev));
}

static void
refuses_map(const char *why, struct vfio_user_dma_map m, int fd)
{
	m.argsz = sizeof(m);
	refuses(why, VFIO_USER_DMA_MAP, &m, sizeof(m), &fd, fd >= 0);
}

static void
refuses_irqs(const char *why, struct vfio_irq_set set, const int *fds, unsigned int nr_fds)
{
	set.argsz = sizeof(set);
	refuses(why, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fds, nr_fds);
}

static void
refuses_read(const char *why, uint32_t region, uint64_t offset, uint32_t count)
{
	const struct vfio_user_region_access a = {
		.offset = offset,
		.region = region,
		.count = count,
	};

	refuses(why, VFIO_USER_REGION_READ, &a, sizeof(a), NULL, 0);
}

static void
refused_version_has_its_reason(void **state)
{
	static const struct {
		const char *why, *text; /* the text with its NUL */
	} bad[] = {
		{ "the major version is not 0", NULL },
		{ "no JSON text", "garbage" },
		{ "no JSON object", "[1]" },
		{ "no JSON object", "{\"capabilities\":7}" },
		{ "value of a capability is invalid", "{\"capabilities\":{\"max_msg_fds\":-1}}" },
	};
	uint8_t msg[128] = { 0 };
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int s = raw_connect(dev.path);

		msg[0] = bad[i].text == NULL;
		strcpy((char *)msg + 4, bad[i].text != NULL ? bad[i].text : "{}");
		assert_int_equal(raw_command(s, VFIO_USER_VERSION, msg,
						 4 + strlen((char *)msg + 4) + 1),
				EINVAL);
		if (strstr(dev.line, bad[i].why) == NULL)
			fail_msg("\"%s\" lacks \"%s\"", dev.line, bad[i].why);
		close(s);
	}
	refuses("this client has sent VERSION already", VFIO_USER_VERSION, version_text,
			sizeof(version_text), NULL, 0);
}

static void
refused_command_has_its_reason(void **state)
{
	struct vfio_user_device_info info = { .argsz = sizeof(info) };
	struct vfio_user_io_page_table table = { .argsz = sizeof(table) - 1 };
	const int file = memory_file(MEM_SIZE);
	int s = raw_connect(dev.path);

	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), EINVAL);
	assert_non_null(strstr(dev.line, "the first command must be VERSION"));
	close(s);
	refuses("this server does not know the command", 255, NULL, 0, NULL, 0);
	refuses("this command goes from server to client", VFIO_USER_DMA_READ, NULL, 0, NULL, 0);
	refuses("this command has no file descriptors", VFIO_USER_DEVICE_GET_INFO, &info,
			sizeof(info), &file, 1);
	refuses("argsz is too short", VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info) - 1, NULL, 0);
	refuses("argsz is too short", VFIO_USER_IO_PAGE_TABLE, &table, sizeof(table), &file, 1);
	refuses("the message has a payload", VFIO_USER_DEVICE_RESET, &info, 4, NULL, 0);
	dev.fail = -EIO;
	refuses("the device refuses it", VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0);
	close(file);
}

static void
refused_region_access_has_its_reason(void **state)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = VFU_SRV_REGIONS };
	struct vfio_user_region_io_fds io = { .argsz = sizeof(io), .flags = 1 };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = VFU_SRV_IRQS };
	struct {
		uint64_t n;
		struct vfio_user_region_write wr;
	} multi = { 1, { .region = 1, .count = 9 } };
	struct {
		struct vfio_user_region_access a;
		uint32_t data;
	} wr = { { .region = 1, .count = 5 }, 0 };

	refuses("no such region", VFIO_USER_DEVICE_GET_REGION_INFO, &info, sizeof(info), NULL, 0);
	refuses("flags or count is not 0", VFIO_USER_DEVICE_GET_REGION_IO_FDS, &io, sizeof(io),
			NULL, 0);
	io.flags = 0;
	io.index = VFU_SRV_REGIONS;
	refuses("no such region", VFIO_USER_DEVICE_GET_REGION_IO_FDS, &io, sizeof(io), NULL, 0);
	refuses("no such interrupt index", VFIO_USER_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq), NULL,
			0);
	refuses_read("count is above max_data_xfer_size", 0, 0, UINT32_MAX);
	refuses_read("no such region", VFU_SRV_REGIONS, 0, 4);
	refuses_read("the access ends beyond the region", 7, 253, 4);
	refuses_read("the region does not permit this access", 1, 0, 4);
	refuses("count does not match", VFIO_USER_REGION_WRITE, &wr, sizeof(wr.a) + 4, NULL, 0);
	refuses("a write of more than 8 bytes", VFIO_USER_REGION_WRITE_MULTI, &multi,
			sizeof(multi.n) + sizeof(multi.wr), NULL, 0);
	multi.n = 2;
	refuses("count does not match", VFIO_USER_REGION_WRITE_MULTI, &multi,
			sizeof(multi.n) + sizeof(multi.wr), NULL, 0);
	multi.n = 1;
	multi.wr.count = 4;
	wr.a.count = 4;
	dev.fail = -EIO;
	refuses_read("the device refuses it", 7, 0, 4);
	refuses("the device refuses it", VFIO_USER_REGION_WRITE, &wr, sizeof(wr.a) + 4, NULL, 0);
	refuses("the device refuses it", VFIO_USER_REGION_WRITE_MULTI, &multi,
			sizeof(multi.n) + sizeof(multi.wr), NULL, 0);
}

static void
refused_mapping_has_its_reason(void **state)
{
	const int file = memory_file(MEM_SIZE), two[2] = { file, file };
	const int null = open("/dev/null", O_RDWR);
	struct vfio_user_dma_map m = { .argsz = sizeof(m), .flags = RW, .size = 4096 };
	char path[40];
	int read_only;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	read_only = open(path, O_RDONLY);
	assert_true(read_only >= 0 && null >= 0);
	refuses("more than one file descriptor", VFIO_USER_DMA_MAP, &m, sizeof(m), two, 2);
	refuses_map("flags must name permissions", (struct vfio_user_dma_map){ .size = 4096 }, -1);
	refuses_map("without a file descriptor",
			(struct vfio_user_dma_map){
					.size = 4096,
					.flags = RW | VFIO_USER_DMA_MAP_F_MMAP,
			},
			-1);
	m.offset = 1;
	refuses_map("must be multiples of 4096", m, file);
	m.offset = 0;
	m.addr = TOP;
	m.size = 8192;
	refuses_map("the range ends beyond 2^64", m, file);
	m.addr = 0;
	refuses_map("the file descriptor is no memory", m, null);
	refuses_map("the file descriptor is not open for the access", m, read_only);
	m.offset = MEM_SIZE;
	refuses_map("the file ends before offset + size", m, file);
	close(read_only);
	close(null);
	close(file);
}

static void
refused_unmapping_has_its_reason(void **state)
{
	struct vfio_user_dma_unmap u = { .argsz = sizeof(u), .flags = 1 };
	const int file = memory_file(MEM_SIZE);
	int s;

	refuses("flags other than", VFIO_USER_DMA_UNMAP, &u, sizeof(u), NULL, 0);
	u.flags = VFIO_DMA_UNMAP_FLAG_ALL;
	u.size = 4096;
	refuses("requires address and size 0", VFIO_USER_DMA_UNMAP, &u, sizeof(u), NULL, 0);
	u = (struct vfio_user_dma_unmap){ .argsz = sizeof(u), .addr = TOP, .size = 8192 };
	refuses("the range ends beyond 2^64", VFIO_USER_DMA_UNMAP, &u, sizeof(u), NULL, 0);

	s = raw_attach(&dev);
	assert_int_equal(raw_map(s, file, 0, 0x10000, 8192, RW), 0);
	assert_int_equal(raw_map(s, file, 0, 0x11000, 8192, RW), EEXIST);
	assert_non_null(strstr(dev.line, "the range overlaps another mapping"));
	assert_int_equal(raw_unmap(s, 0x10000, 4096), EINVAL);
	assert_non_null(strstr(dev.line, "the range cuts a mapping into pieces"));
	close(s);
	close(file);
}

static void
refused_interrupts_have_their_reason(void **state)
{
	const int event = eventfd(0, EFD_NONBLOCK), file = memory_file(4096);
	const struct vfio_irq_set one = { .flags = EVENT | FIRE, .index = MSIX, .count = 1 };
	struct vfio_irq_set set = one;

	set.flags = FIRE;
	refuses_irqs("one kind of data and one action", set, NULL, 0);
	set.flags = EVENT;
	refuses_irqs("one kind of data and one action", set, NULL, 0);
	set = one;
	set.start = 25;
	refuses_irqs("no such index or vectors", set, NULL, 0);
	set = one;
	set.count = 2;
	refuses_irqs("one for each vector", set, &event, 1);
	set = one;
	set.count = 0;
	refuses_irqs("a count of 0 requires", set, NULL, 0);
	set = one;
	set.flags = EVENT | VFIO_IRQ_SET_ACTION_MASK;
	refuses_irqs("DATA_EVENTFD requires ACTION_TRIGGER", set, &event, 1);
	refuses_irqs("a file descriptor is no eventfd", one, &file, 1);
	set = one;
	set.flags = BOOL | FIRE;
	refuses_irqs("one byte for each vector", set, NULL, 0);
	close(event);
	close(file);
}

static void
refused_page_table_has_its_reason(void **state)
{
	struct vfio_user_io_page_table p = { .argsz = sizeof(p), .nr = 512 };
	const int file = memory_file(4096), sealed = memfd_create("table", MFD_ALLOW_SEALING);
	int s;

	assert_int_equal(ftruncate(sealed, 4096), 0);
	assert_int_equal(fcntl(sealed, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	refuses("must have one file descriptor", VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), NULL, 0);
	refuses("sealed against shrinking", VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), &file, 1);
	p.nr = 513;
	refuses("no room for so many entries", VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), &sealed, 1);
	p.nr = 0;
	refuses("no entries, too many", VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), &sealed, 1);
	p.nr = 512;
	p.base = 8;
	refuses("no multiple of 4096", VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), &sealed, 1);
	p.base = 0;
	p.flags = 1;
	refuses("flags must be 0", VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), &sealed, 1);
	p.flags = 0;

	s = raw_attach(&dev);
	assert_int_equal(raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), sealed),
			EOPNOTSUPP);
	assert_non_null(strstr(dev.line, "the extension was not negotiated"));
	close(s);
	wait_until(is_forgotten(&dev));
	s = raw_connect(dev.path);
	assert_int_equal(raw_command(s, VFIO_USER_VERSION, version_text, sizeof(version_text)), 0);
	assert_int_equal(raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), sealed), 0);
	assert_int_equal(raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), sealed), EEXIST);
	assert_non_null(strstr(dev.line, "this client has a table already"));
	close(s);
	close(sealed);
	close(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(refused_version_has_its_reason),
		T(refused_command_has_its_reason),
		T(refused_region_access_has_its_reason),
		T(refused_mapping_has_its_reason),
		T(refused_unmapping_has_its_reason),
		T(refused_interrupts_have_their_reason),
		T(refused_page_table_has_its_reason),
	};

	return cmocka_run_group_tests_name("vfio_user_refusals", tests, NULL, NULL);
}
