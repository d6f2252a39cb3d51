/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The life of a device: its log, whose lines are limited in number; the memory that it maps for
 * itself and for each client, and what it does without; what its owner sees of it. The linker
 * replaces the calls that allocate (--wrap), and the clock is the test's.
 */

#include <errno.h>
#include <sys/resource.h>

#include "igb_rig.h"
#include "../common/fds.h"
#include "stderr_capture.h"
#include "test_clock.h"

#define MEMFD_NAME "igb-queues"

static unsigned int maps_left;  /* of this number the mapping fails; 0: none */
static unsigned int files_left; /* likewise, of the queue pages' file */
static bool as_descriptor_0;    /* the queue pages' file gets descriptor 0 */
static unsigned int fills_left; /* of this number the allocation of a queue page fails; 0: none */
static int fill_errno;          /* its errno value */
static void *own_page[2];       /* the queue pages that the device mapped last */
static atomic_uint staging;     /* areas for frames that are not unmapped */

void *__real_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off);
int __real_madvise(void *addr, size_t len, int advice);
int __wrap_madvise(void *addr, size_t len, int advice);
int __real_munmap(void *addr, size_t len);
int __wrap_munmap(void *addr, size_t len);
int __real_memfd_create(const char *name, unsigned int flags);
int __wrap_memfd_create(const char *name, unsigned int flags);

/* Return whether a device maps this: an area for frames, or a queue page. */
static bool
is_own(size_t len, int flags)
{
	return len == M82576_STAGING || (len == VFU_PAGE_SIZE && flags & MAP_SHARED);
}

/* Count the mappings of queue pages in this process. */
static unsigned int
queue_pages(void)
{
	return count_mappings("memfd:" MEMFD_NAME);
}

void *
__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	void *p;

	if (is_own(len, flags) && maps_left != 0 && --maps_left == 0) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	p = __real_mmap64(addr, len, prot, flags, fd, off);
	staging += p != MAP_FAILED && len == M82576_STAGING;
	if (p != MAP_FAILED && len == VFU_PAGE_SIZE && is_own(len, flags) &&
			(off == IGB_RXQ_BASE || off == IGB_TXQ_BASE))
		own_page[off == IGB_TXQ_BASE] = p;
	return p;
}

int
__wrap_madvise(void *addr, size_t len, int advice)
{
	if (len == VFU_PAGE_SIZE && fills_left != 0 && --fills_left == 0) {
		errno = fill_errno;
		return -1;
	}
	return __real_madvise(addr, len, advice);
}

int
__wrap_munmap(void *addr, size_t len)
{
	staging -= len == M82576_STAGING;
	return __real_munmap(addr, len);
}

int
__wrap_memfd_create(const char *name, unsigned int flags)
{
	if (strcmp(name, MEMFD_NAME) == 0 && files_left != 0 && --files_left == 0) {
		errno = EMFILE;
		return -1;
	}
	if (strcmp(name, MEMFD_NAME) == 0 && as_descriptor_0) {
		const int fd = __real_memfd_create(name, flags);

		assert_int_equal(dup3(fd, STDIN_FILENO, O_CLOEXEC), STDIN_FILENO);
		close(fd);
		return STDIN_FILENO;
	}
	return __real_memfd_create(name, flags);
}

static bool gone; /* the client has closed its socket, and the server has not noticed yet */

bool __real_vfu_server_peer_gone(struct vfu_server *server);
bool __wrap_vfu_server_peer_gone(struct vfu_server *server);

bool
__wrap_vfu_server_peer_gone(struct vfu_server *server)
{
	return gone || __real_vfu_server_peer_gone(server);
}

static char lines[64][320], names[64][80];
static atomic_uint nr_lines;

static void
keep_line(const char *name, const char *line)
{
	const unsigned int n = nr_lines++;

	if (n < 64) {
		snprintf(lines[n], sizeof(lines[n]), "%s", line);
		snprintf(names[n], sizeof(names[n]), "%s", name);
	}
}

static int
setup(void **state)
{
	maps_left = files_left = fills_left = 0;
	rig_setup_params(state, (struct m82576_params){ .speed_mbps = 1000, .log = keep_line });
	nr_lines = 0;
	return 0;
}

/* Begin a second in which nothing was logged. */
static void
next_second(void)
{
	passed_ms += 1000;
	nr_lines = 0;
}

/* The log. */

static void
log_has_twenty_lines_a_second(void **state)
{
	struct rig *g = *state;
	unsigned int i;

	next_second();
	for (i = 0; i < 25; i++)
		m82576_log(g->m, "line %u", i);
	if (nr_lines != 20) { /* the second ended in the meantime */
		next_second();
		next_second();
		for (i = 0; i < 25; i++)
			m82576_log(g->m, "line %u", i);
	}
	assert_string_equal(lines[19 + (nr_lines > 20)], "line 19");
	assert_string_equal(names[0], "t0");
	next_second();
	m82576_log(g->m, "another");
	assert_int_equal(nr_lines, 2);
	assert_string_equal(lines[0], "5 lines were left out");
	assert_string_equal(lines[1], "another");
	/* Twenty are not too many, and nothing is reported. */
	next_second();
	for (i = 0; i < 20; i++)
		m82576_log(g->m, "line %u", i);
	next_second();
	m82576_log(g->m, "another");
	assert_string_equal(lines[nr_lines - 1], "another");
	assert_int_equal(nr_lines, 1);
}

static void
kind_of_line_is_logged_once_for_a_client(void **state)
{
	struct rig *g = *state;

	for (unsigned int k = 0; k < 2; k++) {
		next_second();
		for (unsigned int i = 0; i < 3; i++) {
			m82576_log_once(g->m, M82576_LOG_TXD, "descriptor %u", i);
			m82576_log_once(g->m, M82576_LOG_SIZE, "size %u", i);
		}
		assert_int_equal(nr_lines, 2);
		assert_string_equal(lines[0], "descriptor 0");
		assert_string_equal(lines[1], "size 0");
		next_second();
		rig_disconnect(g);
		assert_int_equal(nr_lines, 1);
		assert_string_equal(lines[0], "client left: connection closed");
		rig_connect(g);
		assert_int_equal(nr_lines, 2);
		assert_string_equal(lines[1], "client attached");
	}
}

/* A fault is logged once for each target, direction and reason. */
static void
kinds_of_faults_are_logged_apart(void **state)
{
	struct rig *g = *state;
	uint8_t byte[8];

	next_second();
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_not_equal(vfu_dma_read(g->m->server, 0, 0x1000, byte, 8), 0);
		m82576_log_dma(g->m, M82576_DMA_RING, "ring %u", i);
		m82576_log_dma(g->m, M82576_DMA_BUFFER, "buffer %u", i);
		assert_int_not_equal(vfu_dma_write(g->m->server, 0x2000, byte, 8), 0);
		m82576_log_dma(g->m, M82576_DMA_RING, "ring %u", i);
		m82576_log_dma(g->m, M82576_DMA_BUFFER, "buffer %u", i);
	}
	assert_int_equal(nr_lines, 4);
	assert_string_equal(lines[0], "DMA fault, cannot read 0x1000 (not mapped): ring 0");
	assert_string_equal(lines[1], "DMA fault, cannot read 0x1000 (not mapped): buffer 0");
	assert_string_equal(lines[2], "DMA fault, cannot write 0x2000 (not mapped): ring 0");
	assert_string_equal(lines[3], "DMA fault, cannot write 0x2000 (not mapped): buffer 0");
	/* Whichever kind comes first hides no other. */
	for (unsigned int i = 0; i < 2; i++) {
		g->m->log_done = i == 0 ? ~0u : 0;
		next_second();
		assert_int_not_equal(vfu_dma_read(g->m->server, 0, 0x1000, byte, 8), 0);
		/* The bit of another kind, or all bits but this kind's. */
		g->m->log_done &= ~(1u << M82576_LOG_DMA);
		g->m->log_done |= 2u << M82576_LOG_DMA;
		m82576_log_dma(g->m, M82576_DMA_RING, "ring %u", i);
		assert_int_equal(nr_lines, 1);
		m82576_log_dma(g->m, M82576_DMA_RING, "ring %u", i);
		assert_int_equal(nr_lines, 1);
	}
}

/* A device without a function for its log prints to standard error. */
static void
log_goes_to_standard_error_by_default(void **state)
{
	struct m82576_params p = { .name = "a-port", .speed_mbps = 1000 };
	char err[VFU_ERR_LEN], path[64];
	struct m82576 *m;

	snprintf(path, sizeof(path), "/tmp/igb-test-%d.sock", (int)getpid());
	p.socket = path;
	assert_int_equal(m82576_create(&p, &m, err), 0);
	assert_string_equal(m82576_name(m), "a-port");
	assert_ptr_equal(m82576_server(m), m->server);
	begin_stderr_capture();
	m82576_log(m, "a line of %s", "text");
	assert_string_equal(captured_stderr(), "a-port: a line of text\n");
	m82576_destroy(m);
	m82576_destroy(NULL);
}

/* The messages of a driver's mistakes in its rings and descriptors. */
static void
mistakes_are_logged_with_their_values(void **state)
{
	static const char *const want[] = {
		"RDT of queue 0 set to 64, the ring has 64 descriptors: ignored",
		"receive queue 3 enabled with a ring of 130 bytes at 0x4000000000: both must be "
		"multiples of 128, and the length 1 to 524288; the queue stays idle",
	};
	struct rig *g = *state;
	uint8_t f[60] = { 0 };

	rig_eth(f, rig_mac, 0x88B5);
	next_second();
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_rdt(g, 0, RIG_DESCS);
	rig_send_in(g, f, 60, 0);
	assert_int_equal(nr_lines, 1);
	assert_string_equal(lines[0], want[0]);
	rig_wr(g, IGB_RDBAL(3), (uint32_t)RIG_IOVA);
	rig_wr(g, IGB_RDBAH(3), (uint32_t)(RIG_IOVA >> 32));
	rig_wr(g, IGB_RDLEN(3), 130);
	rig_wr(g, IGB_RXDCTL(3), IGB_DCTL_ENABLE);
	for (unsigned int i = 0; i < 32; i++)
		rig_wr(g, IGB_RETA(i), 0x03030303);
	rig_wr(g, IGB_MRQC, IGB_MRQC_ENABLE_RSS | IGB_MRQC_RSS_IPV4);
	{
		uint8_t ip[100];

		rig_send_in(g, ip, rig_ipv4(ip, 17, 40), 0);
		rig_send_in(g, ip, rig_ipv4(ip, 17, 40), 0);
	}
	assert_int_equal(nr_lines, 2);
	assert_string_equal(lines[1], want[1]);
}

/* Memory. */

/* Expect as many open files as before. A server closes those of a client in its own time. */
static void
assert_files(int before)
{
	for (unsigned int i = 0; i < 20000 && count_fds() != before; i++)
		usleep(1000);
	assert_int_equal(count_fds(), before);
}

/* Each client has a file of queue pages; nothing of it remains. */
static void
clients_leave_no_mapping_and_no_file(void **state)
{
	struct rig *g = *state;
	const int fds = count_fds();

	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(queue_pages(), 3); /* two, and the client's */
		rig_disconnect(g);
		assert_int_equal(queue_pages(), 0);
		rig_connect(g);
	}
	assert_files(fds);
}

static void
devices_leave_no_mapping_and_no_file(void **state)
{
	struct m82576_params p = { .name = "t", .speed_mbps = 1000, .log = keep_line };
	const unsigned int before = staging;
	char err[VFU_ERR_LEN], path[64];
	const int fds = count_fds();
	struct m82576 *m;

	snprintf(path, sizeof(path), "/tmp/igb-test-%d-b.sock", (int)getpid());
	p.socket = path;
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(m82576_create(&p, &m, err), 0);
		assert_int_equal(staging, before + IGB_MAX_QUEUES);
		m82576_destroy(m);
		assert_int_equal(staging, before);
	}
	/* Its socket cannot be made. */
	p.socket = "/nonexistent/folder/socket";
	m = (struct m82576 *)&p;
	assert_true(m82576_create(&p, &m, err) < 0);
	assert_null(m);
	assert_int_equal(staging, before);
	/* There is no memory for one of its queues. */
	p.socket = path;
	for (unsigned int i = 1; i <= IGB_MAX_QUEUES; i++) {
		maps_left = i;
		assert_int_equal(m82576_create(&p, &m, err), -ENOMEM);
		assert_string_equal(err,
				"port t: cannot make the device's memory: Cannot allocate memory");
		assert_int_equal(staging, before);
	}
	assert_files(fds);
}

/* A client that gets no queue pages is logged, and the next one gets its own. */
static void
client_without_queue_pages_is_logged(void **state)
{
	static const struct {
		unsigned int maps, files, fills;
		int error;
		const char *why;
	} c[] = {
		{ .maps = 1, .why = "Cannot allocate memory" },
		{ .maps = 2, .why = "Cannot allocate memory" },
		{ .files = 1, .why = "Too many open files" },
		{ .fills = 1, .error = ENOMEM, .why = "Cannot allocate memory" },
		/* An access to this page would raise SIGBUS. */
		{ .fills = 2, .error = EFAULT, .why = "Cannot allocate memory" },
		{ .fills = 2, .error = EHWPOISON, .why = "Memory page has hardware error" },
	};
	const struct vfu_client_params p = { .timeout_ms = 3000, .queue_pages = true };
	struct rig *g = *state;
	struct vfu_client *client;
	char err[VFU_ERR_LEN];
	unsigned int i;
	const int fds = count_fds();

	rig_disconnect(g);
	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		struct vfu_server_stats st;
		struct vfu_region reg = { .fd = -1 };

		next_second();
		maps_left = c[i].maps;
		files_left = c[i].files;
		fills_left = c[i].fills;
		fill_errno = c[i].error;
		vfu_rcu_offline();
		if (vfu_client_connect(g->path, &p, &client, err) == 0) {
			vfu_client_region_info(client, 0, &reg);
			assert_int_equal(reg.fd, -1);
			assert_int_equal(queue_pages(), 0);
			vfu_client_close(client);
		}
		do {
			vfu_server_get_stats(m82576_server(g->m), &st);
		} while (st.client || nr_lines < 3);
		vfu_rcu_online();
		assert_non_null(strstr(lines[0], "no memory for the queue pages: "));
		assert_non_null(strstr(lines[0], c[i].why));
		assert_int_equal(queue_pages(), 0);
	}
	maps_left = files_left = fills_left = 0;
	rig_connect(g);
	assert_files(fds);
	assert_non_null(g->bar);
	*(volatile uint32_t *)(g->bar + IGB_RDT(0)) = 5;
	assert_int_equal(rig_rd(g, IGB_RDT(0)), 5);
}

/*
 * Connect a client that accesses nothing.
 *
 * @return how many of the two queue pages are present in memory
 */
static unsigned int
pages_present(struct rig *g)
{
	const struct vfu_client_params p = { .timeout_ms = 3000, .queue_pages = true };
	unsigned int n = 0, k;
	struct vfu_client *c;
	char err[VFU_ERR_LEN];

	rig_disconnect(g);
	vfu_rcu_offline();
	assert_int_equal(vfu_client_connect(g->path, &p, &c, err), 0);
	assert_int_equal(queue_pages(), 2);
	for (k = 0; k < 2; k++) {
		unsigned char present = 0;

		assert_int_equal(mincore(own_page[k], VFU_PAGE_SIZE, &present), 0);
		n += present & 1;
	}
	vfu_client_close(c);
	vfu_rcu_online();
	rig_connect(g);
	return n;
}

static void
queue_pages_are_allocated_before_the_first_access(void **state)
{
	struct rig *g = *state;

	if (madvise(own_page[0], VFU_PAGE_SIZE, MADV_POPULATE_WRITE) != 0 && errno == EINVAL)
		skip(); /* Linux before 5.14 */
	assert_int_equal(pages_present(g), 2);
}

/* Linux before 5.14 cannot allocate them before an access. */
static void
queue_pages_that_cannot_be_allocated_early_work(void **state)
{
	struct rig *g = *state;
	unsigned int k;

	fill_errno = EINVAL;
	for (k = 1; k <= 2; k++) {
		fills_left = k;
		assert_true(pages_present(g) <= 1);
		assert_int_equal(fills_left, 0);
		assert_int_equal(queue_pages(), 3);
		*(volatile uint32_t *)(g->bar + IGB_RDT(0)) = 5;
		*(volatile uint32_t *)(g->bar + IGB_TDT(0)) = 6;
		assert_int_equal(rig_rd(g, IGB_RDT(0)), 5);
		assert_int_equal(rig_rd(g, IGB_TDT(0)), 6);
	}
}

/* In a program without standard input, the file of the queue pages may have descriptor 0. */
static void
queue_pages_may_have_descriptor_0(void **state)
{
	const int before = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	struct rig *g = *state;

	rig_disconnect(g);
	as_descriptor_0 = true;
	rig_connect(g);
	as_descriptor_0 = false;
	assert_int_equal(queue_pages(), 3);
	*(volatile uint32_t *)(g->bar + IGB_RDT(0)) = 5;
	*(volatile uint32_t *)(g->bar + IGB_TDT(0)) = 6;
	assert_int_equal(rig_rd(g, IGB_RDT(0)), 5);
	assert_int_equal(rig_rd(g, IGB_TDT(0)), 6);
	rig_disconnect(g);
	assert_int_equal(queue_pages(), 0);
	assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1);
	if (before >= 0) {
		dup2(before, STDIN_FILENO);
		close(before);
	}
	rig_connect(g);
}

/* The owner. */

/* The parameters reach the server: what a client may have, and what it is offered. */
static void
parameters_reach_the_client(void **state)
{
	struct rig *g;
	int fd;

	rig_setup_params(state,
			(struct m82576_params){
					.speed_mbps = 1000,
					.log = keep_line,
					.no_page_table = true,
					.limits = { .max_mem = 3 * RIG_MEM },
			});
	g = *state;
	fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, RIG_PAGES * 8), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	vfu_rcu_offline();
	assert_true(vfu_client_page_table(g->c, fd, RIG_IOVA, RIG_PAGES) < 0);
	close(fd);
	/* The rig has mapped one file of this size already. */
	for (unsigned int i = 1; i < 4; i++) {
		fd = memfd_create("more", MFD_CLOEXEC);
		assert_int_equal(ftruncate(fd, RIG_MEM), 0);
		assert_int_equal(vfu_client_dma_map(g->c, fd, 0, i * RIG_MEM, RIG_MEM,
						 VFU_DMA_READ) == 0,
				i < 3);
		close(fd);
	}
	vfu_rcu_online();
	rig_teardown(state);
}

/* A device listens while each condition for a frame holds, and a queue is enabled. */
static void
device_listens_while_all_gates_are_open(void **state)
{
	struct rig *g = *state;

	assert_false(m82576_listening(g->m));
	rig_rx_on(g, IGB_RCTL_SECRC);
	assert_false(m82576_listening(g->m));
	rig_rx_start(g, 7, RIG_ADV);
	assert_true(m82576_listening(g->m));
	rig_wr(g, IGB_RXDCTL(7), 0);
	assert_false(m82576_listening(g->m));
	rig_rx_start(g, 0, RIG_ADV);
	assert_true(m82576_listening(g->m));
	rig_wr(g, IGB_RCTL, 0);
	assert_false(m82576_listening(g->m));
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_cfg_wr(g, 4, 2, 2);
	assert_false(m82576_listening(g->m));
	rig_cfg_wr(g, 4, 6, 2);
	m82576_set_link(g->m, false);
	assert_false(m82576_listening(g->m));
	m82576_set_link(g->m, true);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_GIO_MASTER_DISABLE);
	assert_false(m82576_listening(g->m));
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) & ~IGB_CTRL_GIO_MASTER_DISABLE);
	assert_true(m82576_listening(g->m));
	/* A client that is there keeps its gate. */
	m82576_check_client(g->m);
	assert_true(m82576_listening(g->m));
	rig_disconnect(g);
	m82576_check_client(g->m);
	assert_false(m82576_listening(g->m));
	rig_connect(g);
}

/* A polling thread that finds the client gone accesses its memory no more; the far end sees it. */
static void
client_that_is_gone_is_left_alone(void **state)
{
	struct rig *g = *state;
	struct m82576_stats st;
	struct m82576_frame fr;
	uint8_t f[60] = { 0 };
	uint32_t carrier;

	rig_eth(f, rig_mac, 0x88B5);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_SLU);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_tx_start(g, 0);
	rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	carrier = m82576_carrier(g->m);
	assert_int_equal(carrier & 1, 1);
	m82576_check_client(g->m);
	assert_int_equal(m82576_carrier(g->m), carrier);
	gone = true;
	m82576_check_client(g->m);
	gone = false;
	assert_false(m82576_listening(g->m));
	assert_int_equal(m82576_carrier(g->m), carrier + 1);
	m82576_get_stats(g->m, &st);
	assert_false(st.client);
	assert_int_equal(rig_take(g, &fr), 0);
	rig_send_in(g, f, 60, 0);
	assert_false(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD);
	/* The next client has a gate of its own. */
	rig_disconnect(g);
	rig_connect(g);
	m82576_get_stats(g->m, &st);
	assert_true(st.client);
}

#define LIFE(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(log_has_twenty_lines_a_second),
		LIFE(kind_of_line_is_logged_once_for_a_client),
		LIFE(kinds_of_faults_are_logged_apart),
		cmocka_unit_test(log_goes_to_standard_error_by_default),
		LIFE(mistakes_are_logged_with_their_values),
		LIFE(clients_leave_no_mapping_and_no_file),
		LIFE(devices_leave_no_mapping_and_no_file),
		LIFE(client_without_queue_pages_is_logged),
		LIFE(queue_pages_are_allocated_before_the_first_access),
		LIFE(queue_pages_that_cannot_be_allocated_early_work),
		LIFE(queue_pages_may_have_descriptor_0),
		cmocka_unit_test(parameters_reach_the_client),
		LIFE(device_listens_while_all_gates_are_open),
		LIFE(client_that_is_gone_is_left_alone),
	};

	return cmocka_run_group_tests_name("igb_model_life", tests, NULL, NULL);
}
