/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A program without standard input: descriptor 0 is one like any other, at both ends. Each step
 * closes it, so that the next descriptor that a thread of the process opens or receives is 0.
 * test_vfio_user_start.c tests the descriptors that a start opens.
 */

#include <fcntl.h>

#include "vfu_server_test.h"

#define EVENTFD VFIO_IRQ_SET_DATA_EVENTFD
#define MSIX    VFIO_PCI_MSIX_IRQ_INDEX

static bool
is_open_0(void)
{
	return fcntl(0, F_GETFD) >= 0;
}

static void
occupy_0(void)
{
	wait_until(!is_open_0());
	assert_int_equal(open("/dev/null", O_RDONLY), 0);
}

/* Move a descriptor to 0. */
static void
move_to_0(int *fd)
{
	assert_int_equal(dup2(*fd, 0), 0);
	close(*fd);
	*fd = 0;
}

static int
irqs(int s, uint32_t flags, uint32_t index, const int *fd)
{
	struct vfio_irq_set q = { sizeof(q), flags, index, 0, 1 };

	return (int)raw_command_fds(s, VFIO_USER_DEVICE_SET_IRQS, &q, sizeof(q), fd, fd != NULL,
			NULL, NULL)
			.error_no;
}

static void
received_memory_may_be_0(void **state)
{
	int s = raw_attach(&dev), mem = memory_file(MEM_SIZE);
	uint8_t *p;

	assert_int_equal(pwrite(mem, "gantry", 6, 0x1000), 6);
	close(0);
	assert_int_equal(raw_map(s, mem, 0x1000, 0x100000, 0x1000, RW), 0);
	occupy_0();
	p = device_ptr(&dev, 0x100000, 6, RW);
	assert_non_null(p);
	assert_memory_equal(p, "gantry", 6);
	/* The descriptor of a refused message is also closed. */
	close(0);
	assert_int_equal(raw_map(s, mem, 0, 0x100000, 0x1000, RW), EEXIST);
	occupy_0();
	close(0);
	assert_int_equal(raw_map(s, mem, 0, 0x200000, 0x1000, 0), EINVAL);
	occupy_0();
	close(0);
	assert_int_equal(raw_command_fd(s, VFIO_USER_DEVICE_RESET, NULL, 0, mem), EINVAL);
	occupy_0();
	close(mem);
	close(s);
	wait_until(is_forgotten(&dev));
}

static void
received_eventfds_may_be_0(void **state)
{
	int s = raw_attach(&dev), fd = eventfd(0, EFD_NONBLOCK), eoi = eventfd(0, EFD_NONBLOCK);
	uint64_t n = 1;
	int changed;

	close(0);
	assert_int_equal(irqs(s, EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, &fd), 0);
	assert_true(is_open_0());
	assert_true(vfu_server_irq(dev.server, MSIX, 0));
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(irqs(s, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, NULL),
			0);
	assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
	assert_int_equal(irqs(s, EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, NULL), 0);
	occupy_0();
	assert_false(vfu_server_irq(dev.server, MSIX, 0));

	/* A write to the eventfd unmasks. */
	close(0);
	assert_int_equal(irqs(s, EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, VFIO_PCI_INTX_IRQ_INDEX,
					 &eoi),
			0);
	assert_true(is_open_0());
	changed = dev.irqs_changed;
	assert_int_equal(write(eoi, &n, sizeof(n)), sizeof(n));
	wait_until(dev.irqs_changed == changed + 1);
	assert_int_equal(irqs(s, EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, VFIO_PCI_INTX_IRQ_INDEX,
					 NULL),
			0);
	occupy_0();

	/* The client leaves one wired. */
	close(0);
	assert_int_equal(irqs(s, EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, &fd), 0);
	assert_true(is_open_0());
	close(s);
	occupy_0();
	close(fd);
	close(eoi);
	wait_until(is_forgotten(&dev));
}

/* Connect, so that the server's end is descriptor 0. */
static int
connect_to_0(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(sa.sun_path, dev.path, sizeof(sa.sun_path) - 1);
	close(0);
	assert_int_equal(connect(s, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return s;
}

static void
accepted_socket_may_be_0(void **state)
{
	int first = connect_to_0(), second;

	assert_int_equal(raw_version(first), 0);
	assert_true(is_open_0());
	close(first);
	occupy_0();
	/* A client that is refused because of another. */
	first = raw_attach(&dev);
	second = connect_to_0();
	assert_int_equal(raw_version(second), EBUSY);
	assert_true(raw_closed(second));
	occupy_0();
	close(second);
	/* A client that has sent nothing when the server stops. */
	second = connect_to_0();
	wait_until(is_open_0());
	vfu_server_stop(dev.server); /* it has forgotten the client when it has stopped */
	assert_int_equal(dev.detached, dev.attached);
	occupy_0();
	close(first);
	close(second);
	close(dev.bar_fd);
	device_start(&dev); /* for the teardown */
}

static void
file_of_a_bar_may_be_0(void **state)
{
	const int fds = count_fds();
	struct vfu_client_params params = { .timeout_ms = SOON_MS };
	struct vfu_server_desc desc;
	struct vfu_client *c;
	struct vfu_region region;
	struct device other;
	char err[VFU_ERR_LEN];

	close(0);
	memset(&other, 0, sizeof(other));
	other.bar_fd = memory_file(BAR0_SIZE);
	assert_int_equal(other.bar_fd, 0);
	fill_desc(&desc, other.bar_fd);
	desc.regions[0].flags |= VFIO_REGION_INFO_FLAG_MMAP;
	test_path(other.path, sizeof(other.path));
	assert_int_equal(vfu_server_start(other.path, &desc, &dev_ops, &other, &other.server, err),
			0);
	assert_int_equal(vfu_client_connect(other.path, &params, &c, err), 0);
	assert_int_equal(vfu_client_region_info(c, 0, &region), 0);
	assert_true(region.fd > 0);
	assert_true(region.flags & VFIO_REGION_INFO_FLAG_MMAP);
	close(region.fd);
	vfu_client_close(c);
	wait_until(other.detached == 1);
	device_stop(&other);

	assert_int_equal(open("/dev/null", O_RDONLY), 0);
	wait_until(count_fds() <= fds);
}

static void
descriptors_of_the_client_may_be_0(void **state)
{
	struct vfu_client_params params = { .timeout_ms = SOON_MS };
	struct vfu_client *c;
	struct vfu_region region;
	char err[VFU_ERR_LEN];
	unsigned int i;
	uint64_t n;
	uint8_t *p;
	int fd, fds[3];

	/* The socket is 0. */
	close(0);
	assert_int_equal(vfu_client_connect(dev.path, &params, &c, err), 0);
	assert_true(is_open_0());
	vfu_client_close(c);
	occupy_0();

	/* The client sends memory and eventfds. */
	assert_int_equal(vfu_client_connect(dev.path, &params, &c, err), 0);
	fd = memory_file(MEM_SIZE);
	assert_int_equal(pwrite(fd, "igb", 3, 0x1000), 3);
	move_to_0(&fd);
	assert_int_equal(vfu_client_dma_map(c, fd, 0x1000, 0x100000, 0x1000, RW), 0);
	p = device_ptr(&dev, 0x100000, 3, RW);
	assert_non_null(p);
	assert_memory_equal(p, "igb", 3);
	for (i = 0; i < 3; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK);
	move_to_0(&fds[1]);
	for (i = 0; i < 2; i++) { /* second, then first in its message */
		assert_int_equal(vfu_client_set_irq_fds(c, MSIX, 0, 3 - i, fds + i), 0);
		assert_true(vfu_server_irq(dev.server, MSIX, 1 - i));
		assert_int_equal(read(0, &n, sizeof(n)), sizeof(n));
		assert_true(vfu_server_irq(dev.server, MSIX, 2 - i));
		assert_int_equal(read(fds[2], &n, sizeof(n)), sizeof(n));
	}
	close(fds[0]);
	close(fds[2]);

	/* The client receives the file of a BAR. */
	close(0);
	assert_int_equal(vfu_client_region_info(c, 0, &region), 0);
	assert_int_equal(region.fd, 0);
	close(0);
	vfu_client_close(c);
	occupy_0();
	wait_until(is_forgotten(&dev));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(received_memory_may_be_0),
		T(received_eventfds_may_be_0),
		T(accepted_socket_may_be_0),
		T(file_of_a_bar_may_be_0),
		T(descriptors_of_the_client_may_be_0),
	};

	if (!is_open_0())
		occupy_0();
	return cmocka_run_group_tests_name("vfio_user_descriptor_0", tests, NULL, NULL);
}
