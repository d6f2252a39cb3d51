/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The server's accesses to memory without a file descriptor (server_async.c). The test decides
 * when the client answers.
 *
 * A polling thread must not wait for a client. vfu_dma_read() therefore returns -EAGAIN until
 * the client's answer has arrived, and vfu_dma_write() posts. Everything that must not pass a
 * posted write is held back behind it.
 */

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "server_priv.h"
#include "vfu_test.h"

#define TIMEOUT_MS 20000
#define RW         (VFU_DMA_READ | VFU_DMA_WRITE)
#define SIZE       0x10000u

static struct device dev;
static int s, mem;
static uint8_t *m; /* memory at bus address SIZE, with a descriptor; address 0 has none */

/* The next DMA_READ or DMA_WRITE that the server sent. */
struct asked {
	struct vfio_user_header h;
	struct vfio_user_dma_access a;
	uint8_t data[SIZE];
};

static atomic_uint unprotected; /* accesses and raises of a thread that is no reader then */

int __real_vfu_dma_access(struct vfu_server *server, uint64_t iova, uint8_t *buf,
		const uint8_t *data, size_t len, enum vfu_dma_how how);
int __wrap_vfu_dma_access(struct vfu_server *server, uint64_t iova, uint8_t *buf,
		const uint8_t *data, size_t len, enum vfu_dma_how how);

static void
check_reader(const struct vfu_server *server)
{
	if (!vfu_rcu_is_online() || !vfu_rcu_reads(server))
		unprotected++;
}

int
__wrap_vfu_dma_access(struct vfu_server *server, uint64_t iova, uint8_t *buf, const uint8_t *data,
		size_t len, enum vfu_dma_how how)
{
	check_reader(server);
	return __real_vfu_dma_access(server, iova, buf, data, len, how);
}

static int
setup(void **state)
{
	unprotected = 0;
	device_start_dma(&dev, TIMEOUT_MS);
	s = raw_attach(&dev);
	mem = memory_file(SIZE);
	m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	assert_int_equal(raw_map(s, -1, 0, 0, SIZE, RW), 0);
	assert_int_equal(raw_map(s, mem, 0, SIZE, SIZE, RW), 0);
	return 0;
}

static int
teardown(void **state)
{
	munmap(m, SIZE);
	close(mem);
	if (s >= 0)
		close(s);
	device_stop(&dev);
	assert_int_equal(unprotected, 0);
	return 0;
}

static void
expect(struct asked *q, uint16_t cmd, uint64_t addr, uint64_t count)
{
	assert_true(raw_recv(s, q, sizeof(q->h) + sizeof(q->a), NULL));
	assert_int_equal(q->h.cmd, cmd);
	assert_int_equal(q->a.addr, addr);
	assert_int_equal(q->a.count, count);
	if (cmd == VFIO_USER_DMA_WRITE)
		assert_true(raw_recv(s, q->data, count, NULL));
}

/* Answer a request. The answer to a read has count bytes of this value. */
static void
answer(struct asked *q, int value)
{
	q->h.flags = VFIO_USER_F_TYPE_REPLY;
	q->h.msg_size = sizeof(q->h) + sizeof(q->a);
	if (q->h.cmd == VFIO_USER_DMA_READ) {
		memset(q->data, value, q->a.count);
		q->h.msg_size += q->a.count;
	}
	raw_send(s, q, q->h.msg_size, NULL, 0);
}

static int
read_once(unsigned int slot, uint64_t iova, void *buf, size_t len)
{
	int ret;

	POLLING(ret = vfu_dma_read(dev.server, slot, iova, buf, len));
	return ret;
}

/* Repeat the read until its result differs from -EAGAIN. */
static int
read_all(unsigned int slot, uint64_t iova, void *buf, size_t len)
{
	uint64_t end = now_ms() + SOON_MS;
	int ret;

	while ((ret = read_once(slot, iova, buf, len)) == -EAGAIN && now_ms() < end)
		usleep(100);
	return ret;
}

static bool
message_waits(void)
{
	struct pollfd pfd = { .fd = s, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static uint64_t
posted(void)
{
	struct vfu_server_stats st;

	vfu_server_get_stats(dev.server, &st);
	return st.dma_posted;
}

static void
read_by_message_is_requested_once_and_returned_later(void **state)
{
	struct asked q;
	uint8_t buf[64] = { 0 };

	for (int i = 0; i < 100; i++)
		assert_int_equal(read_once(3, 0x100, buf, 64), -EAGAIN);
	expect(&q, VFIO_USER_DMA_READ, 0x100, 64);
	/*
	 * A read in another slot queues behind the first. Memory with a descriptor does not
	 * queue.
	 */
	assert_int_equal(read_once(4, 0x200, buf, 32), -EAGAIN);
	memset(m, 0x11, 64);
	assert_int_equal(read_once(5, SIZE, buf, 64), 0);
	assert_int_equal(buf[63], 0x11);
	answer(&q, 0x22);
	assert_int_equal(read_all(3, 0x100, buf, 64), 0);
	assert_int_equal(buf[0], 0x22);
	expect(&q, VFIO_USER_DMA_READ, 0x200, 32);
	answer(&q, 0x33);
	assert_int_equal(read_all(4, 0x200, buf, 32), 0);
	assert_int_equal(buf[31], 0x33);
	assert_int_equal(buf[32], 0x22);
}

/*
 * Data that was read for another address, before vfu_dma_cancel(), or for a former use is
 * stale, and answers no later read.
 */
static void
stale_read_is_no_answer(void **state)
{
	struct asked q;
	uint8_t buf[64];

	assert_int_equal(read_once(0, 0x100, buf, 64), -EAGAIN);
	expect(&q, VFIO_USER_DMA_READ, 0x100, 64);
	vfu_dma_cancel(dev.server, 0);
	assert_int_equal(read_once(0, 0x100, buf, 64), -EAGAIN);
	answer(&q, 0x22);
	wait_until(read_once(0, 0x100, buf, 64) != -EAGAIN || message_waits());
	expect(&q, VFIO_USER_DMA_READ, 0x100, 64);
	answer(&q, 0x33);
	assert_int_equal(read_all(0, 0x100, buf, 64), 0);
	assert_int_equal(buf[0], 0x33);

	/* Cancelled after the answer arrived. */
	assert_int_equal(read_once(0, 0x100, buf, 64), -EAGAIN);
	expect(&q, VFIO_USER_DMA_READ, 0x100, 64);
	answer(&q, 0x44);
	vfu_dma_wait(dev.server);
	vfu_dma_cancel(dev.server, 0);
	assert_int_equal(read_once(0, 0x100, buf, 64), -EAGAIN);
	expect(&q, VFIO_USER_DMA_READ, 0x100, 64);
	answer(&q, 0x55);
	assert_int_equal(read_all(0, 0x100, buf, 64), 0);
	assert_int_equal(buf[0], 0x55);

	/* Another address, or another length. */
	assert_int_equal(read_once(0, 0x100, buf, 64), -EAGAIN);
	expect(&q, VFIO_USER_DMA_READ, 0x100, 64);
	answer(&q, 0x66);
	vfu_dma_wait(dev.server);
	assert_int_equal(read_once(0, 0x100, buf, 32), -EAGAIN);
	expect(&q, VFIO_USER_DMA_READ, 0x100, 32);
	answer(&q, 0x77);
	vfu_dma_wait(dev.server);
	assert_int_equal(read_once(0, 0x200, buf, 32), -EAGAIN);
	expect(&q, VFIO_USER_DMA_READ, 0x200, 32);
	answer(&q, 0x78);
	assert_int_equal(read_all(0, 0x200, buf, 32), 0);
	assert_int_equal(buf[0], 0x78);
}

/* Request a register. The test receives the reply later. */
static void
ask_register(void)
{
	struct {
		struct vfio_user_header h;
		struct vfio_user_region_access a;
	} req = { { .msg_id = 99, .cmd = VFIO_USER_REGION_READ, .msg_size = sizeof(req) },
		{ .offset = 0x10, .region = 0, .count = 4 } };

	raw_send(s, &req, sizeof(req), NULL, 0);
}

static void
wire_vector(int efd, unsigned int vector)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.start = vector,
		.count = 1,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSIX_IRQ_INDEX,
	};

	assert_int_equal(raw_command_fd(s, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), efd), 0);
}

static void
wire(int efd)
{
	wire_vector(efd, 0);
}

/*
 * Posted writes come first: accesses to memory with a descriptor, interrupts and the reply to a
 * command stay behind them.
 */
static void
nothing_passes_a_posted_write(void **state)
{
	struct vfio_user_header h;
	uint8_t buf[64], reply[64];
	struct asked q;
	uint64_t n;
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	wire(efd);
	memset(buf, 0x5a, sizeof(buf));
	memset(m, 0, 64);
	POLLING(assert_int_equal(vfu_dma_write(dev.server, 0x100, buf, 64), 0));
	expect(&q, VFIO_USER_DMA_WRITE, 0x100, 64);
	assert_memory_equal(q.data, buf, 64);
	assert_null(device_ptr(&dev, SIZE, 4, VFU_DMA_WRITE));
	POLLING(assert_int_equal(vfu_dma_write(dev.server, SIZE, buf, 64), 0));
	POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
	POLLING(assert_false(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 1)));
	assert_int_equal(read_once(0, SIZE, reply, 4), -EAGAIN);
	/* The library reports at once a fault that it can know at once. */
	POLLING(assert_int_equal(vfu_dma_write(dev.server, 2 * SIZE - 4, buf, 8), -EFAULT));
	assert_int_equal(posted(), 3);
	ask_register();
	usleep(20000);
	assert_int_equal(m[0], 0);
	assert_int_equal(read(efd, &n, 8), -1);
	assert_false(message_waits());

	answer(&q, 0);
	assert_true(raw_recv(s, &h, sizeof(h), NULL));
	assert_int_equal(h.msg_id, 99);
	assert_int_equal(h.flags & VFIO_USER_F_ERROR, 0);
	assert_true(raw_recv(s, reply, h.msg_size - sizeof(h), NULL));
	assert_memory_equal(m, buf, 64);
	assert_int_equal(read(efd, &n, 8), 8);
	assert_int_equal(n, 1);
	assert_int_equal(posted(), 0);
	assert_non_null(device_ptr(&dev, SIZE, 4, VFU_DMA_WRITE));
	assert_int_equal(read_once(0, SIZE, reply, 4), 0);
	assert_int_equal(reply[0], 0x5a);
	close(efd);
}

/* An eventfd holds an interrupt once: one behind the same writes is not queued again. */
static void
interrupt_is_queued_once_behind_the_same_writes(void **state)
{
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint8_t buf[64] = { 0 };
	struct asked q[2];
	uint64_t n;

	wire(efd);
	for (unsigned int i = 0; i < 2; i++) {
		POLLING(assert_int_equal(vfu_dma_write(dev.server, 0x100, buf, 64), 0));
		for (unsigned int k = 0; k < 5; k++)
			POLLING(assert_true(
					vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
		assert_int_equal(posted(), 2 * (i + 1));
	}
	expect(&q[0], VFIO_USER_DMA_WRITE, 0x100, 64);
	answer(&q[0], 0);
	expect(&q[1], VFIO_USER_DMA_WRITE, 0x100, 64); /* after the first interrupt */
	assert_int_equal(read(efd, &n, 8), 8);
	assert_int_equal(n, 1);
	answer(&q[1], 0);
	vfu_dma_wait(dev.server);
	assert_int_equal(read(efd, &n, 8), 8);
	assert_int_equal(n, 1);
	close(efd);
}

static atomic_bool hold_irqs;    /* a raise takes until this is cleared */
static atomic_uint held, raised; /* raises that wait; all raises */

/*
 * A clock of the test: the time that a raise takes, of the thread and of the machine. The DMA
 * thread is the thread of a raise other than the test's.
 */
#define HOUR_NS UINT64_C(3600000000000)
static atomic_bool own_clock;
static _Atomic uint64_t cpu_ns, wall_ns, raise_cpu_ns, raise_wall_ns;
static __thread bool is_test_thread, is_dma_thread;
static _Atomic uint64_t rests[16]; /* of the DMA thread, milliseconds */
static atomic_uint nr_rests;

bool __real_vfu_irq_raise(struct vfu_server *server, struct vfu_irqs *irqs, uint32_t vector);
bool __wrap_vfu_irq_raise(struct vfu_server *server, struct vfu_irqs *irqs, uint32_t vector);
int __real_vfu_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms);
int __wrap_vfu_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

bool
__wrap_vfu_irq_raise(struct vfu_server *server, struct vfu_irqs *irqs, uint32_t vector)
{
	is_dma_thread = !is_test_thread;
	atomic_fetch_add(&raised, 1);
	check_reader(server);
	if (atomic_load(&hold_irqs))
		atomic_fetch_add(&held, 1);
	while (atomic_load(&hold_irqs))
		usleep(100);
	cpu_ns += raise_cpu_ns;
	wall_ns += raise_wall_ns;
	return __real_vfu_irq_raise(server, irqs, vector);
}

/*
 * The DMA thread waits for work with a limit only to rest. An hour lasts until another thread
 * ends it.
 */
int
__wrap_vfu_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms)
{
	uint64_t ms = deadline_ms - wall_ns / 1000000;

	if (!own_clock || cond != &dev.server->async.work)
		return __real_vfu_wait_until(cond, lock, deadline_ms);
	rests[nr_rests % 16] = ms;
	nr_rests++;
	if (ms < HOUR_NS / 1000000)
		return -ETIMEDOUT;
	return -pthread_cond_wait(cond, lock);
}

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	uint64_t ns;

	if (!own_clock || !(is_test_thread || is_dma_thread || id == CLOCK_THREAD_CPUTIME_ID))
		return __real_clock_gettime(id, ts);
	ns = id == CLOCK_THREAD_CPUTIME_ID ? cpu_ns : wall_ns;
	ts->tv_sec = (time_t)(ns / 1000000000);
	ts->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

/* Stop the clocks of this thread and the DMA thread, at a time that is no past for the others. */
static void
stop_clock(void)
{
	is_test_thread = true;
	cpu_ns = wall_ns = now_ms() * 1000000;
	nr_rests = 0;
	raise_wall_ns = 0;
	raise_cpu_ns = 0;
	own_clock = true;
}

/* Post a write, and one interrupt behind it that takes so long. */
static void
post_interrupt(uint64_t ns)
{
	uint32_t value = 1;
	struct asked q;

	raise_cpu_ns = ns;
	POLLING(assert_int_equal(vfu_dma_write(dev.server, 0x100, &value, 4), 0));
	POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
	expect(&q, VFIO_USER_DMA_WRITE, 0x100, 4);
	answer(&q, 0);
}

/* After slow interrupts the DMA thread rests for four times as long, in whole milliseconds. */
static void
dma_thread_rests_after_slow_interrupts(void **state)
{
	static const struct {
		uint64_t took_ns;
		unsigned int rests, ms; /* so many by now, and the length of the last one */
	} t[] = {
		{ 20000, 0, 0 },   /* usual */
		{ 20001, 0, 0 },   /* 80004 ns to rest, which is too short */
		{ 229998, 0, 0 },  /* 999996 ns */
		{ 20000, 0, 0 },   /* usual again */
		{ 2000001, 1, 9 }, /* 9 ms; the DMA thread rests for no part of a millisecond */
		{ 200000, 1, 9 },  /* 800000 ns */
		{ 50000, 2, 1 },   /* 1 ms, exactly */
		{ 249999, 2, 1 },  /* 999996 ns */
		{ 1500000000, 3, 6000 },
	};
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	wire(efd);
	stop_clock();
	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		post_interrupt(t[i].took_ns);
		/* The next interrupt, which is quick, comes behind the rest. */
		vfu_dma_wait(dev.server);
		post_interrupt(0);
		vfu_dma_wait(dev.server);
		assert_int_equal(nr_rests, t[i].rests);
		if (t[i].rests != 0)
			assert_int_equal(rests[t[i].rests - 1], t[i].ms);
	}
	own_clock = false;
	close(efd);
}

/* A rest ends with the client that caused it, and delays neither the next one nor the end. */
static void
next_client_waits_for_no_rest_of_the_former(void **state)
{
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	for (unsigned int i = 1; i <= 3; i++) {
		wire(efd);
		stop_clock();
		post_interrupt(HOUR_NS);
		while (nr_rests == 0)
			usleep(100);
		assert_int_equal(rests[0], 4 * HOUR_NS / 1000000);
		own_clock = false;
		if (i == 3)
			break; /* and the server stops */
		close(s);
		wait_until(is_forgotten(&dev) && posted() == 0);
		s = raw_attach(&dev);
		assert_int_equal(raw_map(s, -1, 0, 0, SIZE, RW), 0);
	}
	close(efd);
}

/* Raise an interrupt in this thread. @return whether the server has reported slow ones */
static bool
raise_here(uint64_t wall, uint64_t cpu)
{
	raise_wall_ns = wall;
	raise_cpu_ns = cpu;
	POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
	return dev.refused != 0;
}

/*
 * A client may use 20 ms of the polling threads, beyond the usual time of each interrupt and one
 * percent of the time that passes. A thread measures for a second after an interrupt that took
 * long by the clock of the machine.
 */
static void
time_of_slow_interrupts_adds_up(void **state)
{
	const uint64_t usual = 20000, ms = 1000000, second = 1000 * ms;
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	for (unsigned int turn = 0; turn < 2; turn++) {
		wire(efd);
		stop_clock();
		/* Not measured: no interrupt before took long. */
		for (unsigned int i = 0; i < 100; i++)
			assert_false(raise_here(usual, 10 * ms));
		assert_false(raise_here(usual + 1, 10 * ms));
		/* Measured: it takes so long of the thread. */
		wall_ns += second - 1;
		assert_false(raise_here(0, usual + 10 * ms));
		/* The second is over: no longer measured. */
		wall_ns += 1;
		assert_false(raise_here(usual + 1, 100 * ms));
		/* Half a second pays 5 ms of the 10 ms. */
		wall_ns += second / 2 - usual - 2;
		assert_false(raise_here(0, usual));
		assert_false(raise_here(0, 0));
		assert_false(raise_here(0, usual + 15 * ms - 1 - 10));
		for (unsigned int i = 0; i < 10; i++)
			assert_false(raise_here(0, usual + 1));
		assert_true(raise_here(0, usual + 1));
		assert_int_equal(dev.refused, 1);
		own_clock = false;
		/* From now on the DMA thread raises. */
		atomic_store(&held, 0);
		atomic_store(&hold_irqs, true);
		raise_cpu_ns = 0;
		POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
		wait_until(atomic_load(&held) == 1);
		atomic_store(&hold_irqs, false);
		close(s);
		wait_until(is_forgotten(&dev) && posted() == 0);
		s = raw_attach(&dev);
		dev.refused = 0;
	}
	close(efd);
}

/* The end of a client waits for one interrupt that takes long, and drops those behind it. */
static void
leaving_client_waits_for_one_interrupt(void **state)
{
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	uint8_t buf[64] = { 0 };
	struct asked q;
	unsigned int v;

	for (v = 0; v < 8; v++)
		wire_vector(efd, v);
	POLLING(assert_int_equal(vfu_dma_write(dev.server, 0x100, buf, 64), 0));
	for (v = 0; v < 8; v++)
		POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, v)));
	assert_int_equal(posted(), 9);
	atomic_store(&raised, 0);
	atomic_store(&held, 0);
	atomic_store(&hold_irqs, true);
	expect(&q, VFIO_USER_DMA_WRITE, 0x100, 64);
	answer(&q, 0);
	wait_until(atomic_load(&held) == 1);
	assert_int_equal(posted(), 8);
	close(s);
	s = -1;
	wait_until(posted() == 1); /* the one in flight */
	atomic_store(&hold_irqs, false);
	wait_until(is_forgotten(&dev));
	wait_until(posted() == 0);
	assert_int_equal(atomic_load(&raised), 1);
	close(efd);
}

static atomic_bool waited;

static void *
wait_for_other_device(void *other)
{
	vfu_rcu_wait(other);
	waited = true;
	return NULL;
}

/*
 * The DMA thread reads its own device only: a grace period of another one does not wait for its
 * interrupts.
 */
static void
other_devices_wait_for_no_interrupt_of_this_one(void **state)
{
	const int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	const uint64_t end = now_ms() + SOON_MS;
	pthread_t thread;
	bool met;

	wire(efd);
	waited = false;
	atomic_store(&held, 0);
	atomic_store(&hold_irqs, true);
	post_interrupt(0);
	wait_until(atomic_load(&held) == 1);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_other_device, &dev), 0);
	while (!(met = waited) && now_ms() < end)
		usleep(200);
	atomic_store(&hold_irqs, false);
	pthread_join(thread, NULL);
	assert_true(met);
	close(efd);
}

#define WATCHERS 150 /* squared */

/* Polling threads do not signal an eventfd for long that wakes thousands: the DMA thread does. */
static void
interrupts_that_take_long_are_the_dma_threads(void **state)
{
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), copies[WATCHERS], epolls[WATCHERS];
	struct epoll_event ev = { .events = EPOLLIN };
	uint64_t n;

	for (unsigned int i = 0; i < WATCHERS; i++)
		copies[i] = dup(efd);
	for (unsigned int i = 0; i < WATCHERS; i++) {
		epolls[i] = epoll_create1(EPOLL_CLOEXEC);
		for (unsigned int k = 0; k < WATCHERS; k++)
			assert_int_equal(epoll_ctl(epolls[i], EPOLL_CTL_ADD, copies[k], &ev), 0);
	}
	wire(efd);
	for (unsigned int i = 0; dev.refused == 0; i++) {
		assert_true(i < 10000);
		POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
		assert_int_equal(posted(), 0);
		assert_int_equal(read(efd, &n, 8), 8); /* at once */
		assert_int_equal(n, 1);
	}
	assert_non_null(strstr(dev.line, "eventfds"));
	for (unsigned int i = 0; i < 1000; i++) {
		POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
		assert_in_range(posted(), 0, 2); /* one under way, one behind it */
	}
	vfu_dma_wait(dev.server);
	assert_int_equal(read(efd, &n, 8), 8);
	assert_in_range(n, 1, 1000);
	assert_int_equal(dev.refused, 1);
	for (unsigned int i = 0; i < WATCHERS; i++) {
		close(epolls[i]);
		close(copies[i]);
	}

	/* The next client begins without debt. */
	close(s);
	wait_until(is_forgotten(&dev));
	s = raw_attach(&dev);
	wire(efd);
	for (unsigned int i = 0; i < 100; i++) {
		POLLING(assert_true(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0)));
		assert_int_equal(read(efd, &n, 8), 8);
	}
	close(efd);
}

static void
write_posts(struct device *d, uint64_t offset, const void *buf, size_t len)
{
	assert_int_equal(vfu_dma_write(d->server, 0x100, buf, len), 0);
}

static _Atomic uint64_t posted_before; /* what was posted when the device got a command */

static void
look_at_posted(struct device *d, uint64_t offset, const void *buf, size_t len)
{
	posted_before = posted();
}

/* The device gets a command behind what it wrote before. */
static void
command_comes_behind_what_the_device_wrote(void **state)
{
	struct {
		struct vfio_user_header h;
		struct vfio_user_region_access a;
		uint32_t v;
	} req = { { .msg_id = 99, .cmd = VFIO_USER_REGION_WRITE, .msg_size = 36 },
		{ .offset = 0x10, .region = 0, .count = 4 }, 0x12345678 };
	const uint32_t value = 1;
	struct vfio_user_header h;
	struct asked q;

	dev.on_write = look_at_posted;
	posted_before = UINT64_MAX;
	POLLING(assert_int_equal(vfu_dma_write(dev.server, 0x100, &value, 4), 0));
	expect(&q, VFIO_USER_DMA_WRITE, 0x100, 4);
	raw_send(s, &req, 36, NULL, 0);
	usleep(20000);
	answer(&q, 0);
	assert_true(raw_recv(s, &h, sizeof(h), NULL));
	assert_int_equal(h.msg_id, 99);
	assert_int_equal(posted_before, 0);
}

/* The server completes all writes that a command caused before it replies to the command. */
static void
reply_comes_behind_what_the_command_wrote(void **state)
{
	struct {
		struct vfio_user_header h;
		struct vfio_user_region_access a;
		uint32_t v;
	} req = { { .msg_id = 99, .cmd = VFIO_USER_REGION_WRITE, .msg_size = 36 },
		{ .offset = 0x10, .region = 0, .count = 4 }, 0x12345678 };
	struct vfio_user_header h;
	struct asked q;

	dev.on_write = write_posts;
	raw_send(s, &req, 36, NULL, 0);
	expect(&q, VFIO_USER_DMA_WRITE, 0x100, 4);
	usleep(20000);
	assert_false(message_waits());
	answer(&q, 0);
	assert_true(raw_recv(s, &h, sizeof(h), NULL));
	assert_int_equal(h.msg_id, 99);
}

/* The server reports a posted write that the client refuses, and no other one. */
static void
refused_posted_write_is_reported(void **state)
{
	uint8_t buf[8] = { 0 };
	struct asked q;

	for (int refused = 0; refused < 2; refused++) {
		POLLING(assert_int_equal(vfu_dma_write(dev.server, 0x100, buf, sizeof(buf)), 0));
		expect(&q, VFIO_USER_DMA_WRITE, 0x100, sizeof(buf));
		if (refused) {
			q.h.flags = VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR;
			q.h.msg_size = sizeof(q.h);
			raw_send(s, &q.h, sizeof(q.h), NULL, 0);
		} else {
			answer(&q, 0);
		}
		vfu_dma_wait(dev.server);
		assert_int_equal(dev.refused, refused);
		assert_int_equal(device_faults(&dev), refused);
	}
	assert_string_equal(dev.line,
			"DMA fault: DMA_WRITE of 8 bytes at 0x100: "
			"the client refused it, or did not answer");
}

/*
 * A device may begin an access while the server forgets the client: the connection has ended, and
 * the mappings exist until the polling thread has reported a quiescent state.
 */
static void
access_behind_the_end_of_the_connection_fails(void **state)
{
	int efd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), ret;
	uint8_t buf[8];

	wire(efd);
	vfu_rcu_online();
	close(s);
	s = -1;
	wait_until(dev.detached == dev.attached);
	wait_until(!vfu_server_peer_gone(dev.server));
	assert_int_equal(vfu_dma_read(dev.server, 0, 0x100, buf, sizeof(buf)), -EAGAIN);
	while ((ret = vfu_dma_read(dev.server, 0, 0x100, buf, sizeof(buf))) == -EAGAIN)
		usleep(100);
	assert_int_equal(ret, -EFAULT);
	assert_int_equal(vfu_dma_last_fault()->why, VFU_DMA_NO_ANSWER);
	assert_int_equal(vfu_dma_write(dev.server, 0x100, buf, sizeof(buf)), 0); /* is dropped */
	vfu_rcu_quiescent();
	vfu_rcu_offline();
	wait_until(posted() == 0);
	assert_int_equal(dev.refused, 0);
	s = raw_attach(&dev);
	assert_int_equal(raw_map(s, -1, 0, 0, SIZE, RW), 0);
	assert_int_equal(read_once(0, 0x100, buf, sizeof(buf)), -EAGAIN);
	assert_false(vfu_server_peer_gone(dev.server));
	close(efd);
}

/* Post writes until the device is busy, and let the client take them. */
static void
post_until_busy(void)
{
	static uint8_t buf[0x1000];
	struct asked q;
	unsigned int n = 0;

	while (!vfu_dma_busy(dev.server)) {
		POLLING(assert_int_equal(vfu_dma_write(dev.server, 0, buf, sizeof(buf)), 0));
		assert_true(++n <= 100);
	}
	assert_int_equal(n, 256 / 4 + 1);
	while (n-- != 0) {
		expect(&q, VFIO_USER_DMA_WRITE, 0, sizeof(buf));
		answer(&q, 0);
	}
	vfu_dma_wait(dev.server);
	assert_false(vfu_dma_busy(dev.server));
	assert_int_equal(posted(), 0);
}

static void
device_is_busy_when_much_is_posted(void **state)
{
	post_until_busy();
}

/*
 * When a client leaves, everything queued for it is discarded, and the next client gets none of
 * it.
 */
static void
next_client_gets_no_read_or_posted_write_of_the_former(void **state)
{
	uint8_t buf[64];
	struct asked q;

	memset(buf, 0x5a, sizeof(buf));
	assert_int_equal(read_once(0, 0x100, buf, 64), -EAGAIN);
	expect(&q, VFIO_USER_DMA_READ, 0x100, 64);
	answer(&q, 0x22);
	vfu_dma_wait(dev.server);
	assert_int_equal(read_once(1, 0x200, buf, 64), -EAGAIN);
	assert_int_equal(read_once(2, 0x300, buf, 64), -EAGAIN);
	for (unsigned int i = 0; i < 10; i++)
		POLLING(assert_int_equal(vfu_dma_write(dev.server, 0x100, buf, 64), 0));
	close(s);
	wait_until(is_forgotten(&dev));
	wait_until(posted() == 0);
	assert_false(vfu_dma_busy(dev.server));

	s = raw_attach(&dev);
	assert_int_equal(raw_map(s, -1, 0, 0, SIZE, RW), 0);
	assert_false(message_waits());
	for (unsigned int slot = 0; slot < 3; slot++) {
		assert_int_equal(read_once(slot, 0x100 * (slot + 1), buf, 64), -EAGAIN);
		expect(&q, VFIO_USER_DMA_READ, 0x100 * (slot + 1), 64);
		answer(&q, 0x40 + (int)slot);
		assert_int_equal(read_all(slot, 0x100 * (slot + 1), buf, 64), 0);
		assert_int_equal(buf[0], 0x40 + slot);
	}

	/* The discarded accesses are no load of the next client. */
	post_until_busy();
}

/* A range from one kind of memory into the other, and one that exceeds the last mapped address. */
static void
read_crosses_from_message_memory_into_mapped_memory(void **state)
{
	uint8_t buf[64];
	struct asked q;

	memset(m, 0x11, 32);
	assert_int_equal(read_once(0, SIZE - 32, buf, 64), -EAGAIN);
	expect(&q, VFIO_USER_DMA_READ, SIZE - 32, 32);
	answer(&q, 0x22);
	assert_int_equal(read_all(0, SIZE - 32, buf, 64), 0);
	assert_int_equal(buf[31], 0x22);
	assert_int_equal(buf[32], 0x11);
	/* Nothing is mapped behind 2 * SIZE: the second half of the read faults. */
	assert_int_equal(read_once(0, 2 * SIZE - 32, buf, 64), -EFAULT);
	assert_int_equal(vfu_dma_last_fault()->why, VFU_DMA_NOT_MAPPED);
	assert_int_equal(vfu_dma_last_fault()->iova, 2 * SIZE);
	assert_int_equal(device_faults(&dev), 1);
}

/* Send n commands of len bytes of payload, with nr_fds descriptors each, as far as possible. */
static void
send_commands(unsigned int n, size_t len, unsigned int nr_fds)
{
	static struct {
		struct vfio_user_header h;
		uint8_t payload[sizeof(struct vfio_user_region_access) + VFU_MSG_DATA_MAX];
	} msg;
	int fds[VFU_MSG_FDS];
	uint16_t cmd = VFIO_USER_DEVICE_RESET;

	for (unsigned int i = 0; i < VFU_MSG_FDS; i++)
		fds[i] = mem;
	if (nr_fds != 0)
		cmd = VFIO_USER_DMA_MAP;
	else if (len != 0)
		cmd = VFIO_USER_REGION_WRITE;
	msg.h = (struct vfio_user_header){
		.cmd = cmd,
		.msg_size = (uint32_t)(sizeof(msg.h) + len),
	};
	while (n-- > 0 && try_send(s, &msg, msg.h.msg_size, fds, nr_fds))
		;
}

/*
 * While the control thread waits for the client, commands queue up: as many as a client may need,
 * and not as many as it likes.
 */
static void
commands_without_replies_queue_up_to_a_limit(void **state)
{
	static const struct {
		size_t len;
		unsigned int nr_fds, fits, beyond;
	} t[] = {
		{ 0, 0, 4090, 4110 }, /* messages */
		{ sizeof(struct vfio_user_region_access) + VFU_MSG_DATA_MAX, 0, 8, 9 }, /* bytes */
		{ sizeof(struct vfio_user_dma_map), VFU_MSG_FDS, 17, 18 }, /* descriptors */
	};
	struct vfio_user_header h;
	uint8_t buf[64];
	struct asked q;

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		/* As many fit again when the others are done. */
		for (unsigned int turn = 0; turn < 3; turn++) {
			const bool beyond = turn == 2;
			unsigned int n = beyond ? t[i].beyond : t[i].fits;

			assert_int_equal(read_once(0, 0x100, buf, 64), -EAGAIN);
			expect(&q, VFIO_USER_DMA_READ, 0x100, 64);
			send_commands(1, 0, 0); /* the control thread waits with it */
			send_commands(n, t[i].len, t[i].nr_fds);
			if (beyond) {
				wait_until(is_forgotten(&dev));
				assert_non_null(strstr(dev.why, "too many commands"));
				close(s);
				s = raw_attach(&dev);
				assert_int_equal(raw_map(s, -1, 0, 0, SIZE, RW), 0);
				continue;
			}
			answer(&q, 0x11);
			for (unsigned int k = 0; k < 1 + n; k++)
				assert_true(raw_recv(s, &h, sizeof(h), NULL));
			assert_int_equal(read_all(0, 0x100, buf, 64), 0);
		}
	}
}

int
main(void)
{
	int ret;
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(read_by_message_is_requested_once_and_returned_later),
		T(stale_read_is_no_answer),
		T(nothing_passes_a_posted_write),
		T(interrupt_is_queued_once_behind_the_same_writes),
		T(dma_thread_rests_after_slow_interrupts),
		T(next_client_waits_for_no_rest_of_the_former),
		T(time_of_slow_interrupts_adds_up),
		T(leaving_client_waits_for_one_interrupt),
		T(other_devices_wait_for_no_interrupt_of_this_one),
		T(interrupts_that_take_long_are_the_dma_threads),
		T(command_comes_behind_what_the_device_wrote),
		T(reply_comes_behind_what_the_command_wrote),
		T(refused_posted_write_is_reported),
		T(access_behind_the_end_of_the_connection_fails),
		T(device_is_busy_when_much_is_posted),
		T(next_client_gets_no_read_or_posted_write_of_the_former),
		T(read_crosses_from_message_memory_into_mapped_memory),
		T(commands_without_replies_queue_up_to_a_limit),
	};

	vfu_rcu_register();
	vfu_rcu_offline();
	ret = cmocka_run_group_tests_name("vfio_user_async", tests, NULL, NULL);
	vfu_rcu_unregister();
	return ret;
}
