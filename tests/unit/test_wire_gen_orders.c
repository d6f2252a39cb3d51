/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Orders to a generator while its frames move: with the real wire, frames and checks, and a time
 * that the test passes. Port 0 sends to port 1:
 *
 *     generator of port 0 --> wire.c --> hold_put(): a sink that may have no room
 *                                          +--> checks of port 1
 */

#include <errno.h>

#include <jansson.h>

#include "traffic.h"
#include "wire_fakes.h"

static struct wire_source *src[2];
static struct wire_sink *far[2];
static struct wire_dir *dir;
static bool no_room;
static uint64_t now;

/* Allocations of the code under test fail after so many. */
static unsigned int left = UINT32_MAX;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *
__wrap_calloc(size_t n, size_t size)
{
	return left != 0 ? left--, __real_calloc(n, size) : NULL;
}

void *
__wrap_malloc(size_t size)
{
	return left != 0 ? left--, __real_malloc(size) : NULL;
}

static unsigned int
hold_put(struct wire_sink *s, const uint64_t *at, const struct m82576_frame *frames, unsigned int n,
		bool wait)
{
	if (no_room)
		return wait ? 0 : n;
	return far[1]->put(far[1], at, frames, n, wait);
}

static void
hold_flush(struct wire_sink *s)
{
	far[1]->flush(far[1]);
}

static void
hold_close(struct wire_sink *s)
{
}

static struct wire_sink hold = { .put = hold_put, .flush = hold_flush, .close = hold_close };

/* Return flows f0, f1, ... of so many frames each, of 100 bytes, one every 10 us. */
static struct traffic *
make_flows(unsigned int nr, unsigned int frames)
{
	json_t *config = json_pack("{s:[{s:s,s:s},{s:s,s:s}]}", "ports", "name", "p0", "location",
			"a", "name", "p1", "location", "b");
	json_t *list = json_array();
	struct traffic *t = NULL;
	char name[16], why[TRAFFIC_ERR_LEN];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		json_array_append_new(list,
				json_pack("{s:s, s:{s:s,s:{s:s,s:[s]}}, s:[{s:s}], s:{s:s,s:i}, "
					  "s:{s:s,s:i}, s:{s:s,s:{s:i}}, s:{s:b,s:b}}",
						"name", name, "tx_rx", "choice", "port", "port",
						"tx_name", "p0", "rx_names", "p1", "packet",
						"choice", "ethernet", "size", "choice", "fixed",
						"fixed", 100, "rate", "choice", "pps", "pps",
						100000, "duration", "choice", "fixed_packets",
						"fixed_packets", "packets", (int)frames, "metrics",
						"enable", 1, "loss", 1));
	}
	json_object_set_new(config, "flows", list);
	if (traffic_parse(config, &t, why) != 0)
		fail_msg("%s", why);
	json_decref(config);
	return t;
}

static void
run_for(uint64_t ns)
{
	uint64_t end = now + ns;

	for (; now < end; now += 1000)
		wire_dir_poll(dir, now);
}

static void
open_wire(const struct traffic *t, unsigned int mbps)
{
	char err[WIRE_ERR_LEN];

	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(wire_gen_open(t, i, &src[i], &far[i], err), 0);
	no_room = false;
	now = T0;
	dir = wire_dir_new(src[0], &hold, mbps);
	assert_non_null(dir);
}

static void
close_wire(void)
{
	wire_dir_free(dir);
	src[1]->close(src[1]);
	far[0]->close(far[0]);
	far[1]->close(far[1]);
}

/* Order other flows for the two ends that the test uses: both need a port with both. */
static void
order_flows(const struct traffic *t)
{
	struct wire_gen_flows flows[2];

	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(wire_gen_prepare(t, i, &flows[i]), 0);
	assert_true(wire_gen_is_idle(src[0], far[1]));
	/* Port 0 sends and port 1 receives: these two ends are polled, in place of one port's. */
	traffic_receiver_free(flows[0].receiver);
	flows[0].receiver = flows[1].receiver;
	flows[1].receiver = NULL;
	wire_gen_discard(&flows[1]);
	wire_gen_replace(src[0], far[1], &flows[0]);
	assert_null(flows[0].run);
	assert_null(flows[0].receiver);
}

static void
order_switch(bool on, bool f0, bool f1)
{
	const bool chosen[2] = { f0, f1 };

	assert_true(wire_gen_is_idle(src[0], far[1]));
	assert_int_equal(wire_gen_switch(src[0], chosen, on), 0);
}

static struct wire_gen_stats
sent(unsigned int flow)
{
	struct wire_gen_stats stats;

	wire_gen_get_stats(src[0], flow, &stats);
	return stats;
}

static struct traffic_rx
got(unsigned int flow)
{
	struct traffic_rx rx = { .frames = 0 };

	assert_true(traffic_get_rx(wire_gen_receiver(far[1]), flow, &rx));
	return rx;
}

static void
order_is_idle_once_both_ends_were_polled(void **state)
{
	struct traffic *t = make_flows(1, 10), *other = make_flows(2, 10);

	open_wire(t, 1000);
	order_flows(other);
	assert_false(wire_gen_is_idle(src[0], far[1]));
	far[1]->flush(far[1]);
	assert_false(wire_gen_is_idle(src[0], far[1]));
	src[0]->flush(src[0]);
	assert_true(wire_gen_is_idle(src[0], far[1]));
	traffic_free(t);
	order_flows(other);
	src[0]->flush(src[0]);
	assert_false(wire_gen_is_idle(src[0], far[1]));
	far[1]->flush(far[1]);
	assert_true(wire_gen_is_idle(src[0], far[1]));
	close_wire();
	traffic_free(other);
}

static void
replaced_flows_count_from_zero_and_wait_for_their_start(void **state)
{
	struct traffic *t = make_flows(1, 1000), *other = make_flows(2, 5);

	open_wire(t, 1000);
	run_for(100 * US);
	assert_int_equal(sent(0).frames, 10);
	assert_int_equal(got(0).frames, 10);
	order_flows(other);
	run_for(MS);
	assert_true(wire_gen_is_idle(src[0], far[1]));
	traffic_free(t);
	for (unsigned int flow = 0; flow < 2; flow++) {
		assert_int_equal(sent(flow).frames, 0);
		assert_false(sent(flow).started);
		assert_false(sent(flow).ended);
		assert_int_equal(got(flow).frames, 0);
	}
	order_switch(true, false, true);
	run_for(MS);
	assert_int_equal(sent(0).frames, 0);
	assert_false(sent(0).started);
	assert_int_equal(sent(1).frames, 5);
	assert_true(sent(1).ended);
	assert_int_equal(got(1).frames, 5);
	assert_int_equal(got(1).corrupted, 0);
	close_wire();
	traffic_free(other);
}

static void
stopped_flow_sends_nothing_and_goes_on_where_it_was(void **state)
{
	struct traffic *t = make_flows(2, 1000);

	open_wire(t, 1000);
	run_for(50 * US);
	order_switch(false, true, false);
	run_for(US);
	assert_true(sent(0).ended);
	assert_false(sent(1).ended);
	run_for(50 * US);
	/* The frame that was due when the order was executed went before. */
	assert_int_equal(sent(0).frames, 6);
	assert_int_equal(sent(1).frames, 11);
	order_switch(true, true, false);
	run_for(US);
	assert_true(sent(0).started);
	assert_false(sent(0).ended);
	run_for(20 * MS);
	/* Its duration began again. */
	assert_int_equal(sent(0).frames, 1006);
	assert_int_equal(got(0).frames, 1006);
	assert_int_equal(got(0).duplicated, 0);
	assert_int_equal(got(0).reordered, 0);
	assert_int_equal(got(0).too_late, 0);
	assert_int_equal(sent(1).frames, 1000);
	close_wire();
	traffic_free(t);
}

static void
flow_that_was_stopped_before_its_start_has_not_begun(void **state)
{
	struct traffic *t = make_flows(1, 10), *other = make_flows(1, 10);

	open_wire(t, 1000);
	order_flows(other);
	src[0]->flush(src[0]);
	far[1]->flush(far[1]);
	order_switch(true, true, false);
	src[0]->flush(src[0]);
	order_switch(false, true, false);
	src[0]->flush(src[0]);
	run_for(MS);
	assert_int_equal(sent(0).frames, 0);
	assert_false(sent(0).started);
	assert_false(sent(0).ended);
	close_wire();
	traffic_free(t);
	traffic_free(other);
}

/* Frames of flows that were replaced wait for the wire. The sanitizers see if one was freed. */
static void
frames_that_wait_outlive_their_flows(void **state)
{
	struct traffic_strays strays;
	struct traffic *t[5];

	t[0] = make_flows(1, 1000);
	open_wire(t[0], 0);
	no_room = true;
	run_for(100 * US);
	assert_in_range(sent(0).frames, 1, 32);
	for (unsigned int i = 1; i < 5; i++) {
		t[i] = make_flows(i % 2 + 1, 1000);
		t[i]->generation = i;
		order_flows(t[i]);
		run_for(100 * US);
		order_switch(true, true, false);
		run_for(100 * US);
		assert_true(wire_gen_is_idle(src[0], far[1]));
		traffic_free(t[i - 1]);
		assert_int_equal(sent(0).frames, 0);
	}
	no_room = false;
	run_for(20 * MS);
	assert_int_equal(got(0).corrupted, 0);
	assert_int_equal(sent(0).frames, 1000);
	assert_int_equal(got(0).frames, 1000);
	traffic_get_strays(wire_gen_receiver(far[1]), &strays);
	assert_in_range(strays.former, 1, 32);
	close_wire();
	traffic_free(t[4]);
}

static void
each_run_is_freed_as_soon_as_no_frame_of_it_can_wait(void **state)
{
	struct traffic *t = make_flows(1, 1000000);

	open_wire(t, 1000);
	for (unsigned int i = 0; i < 20; i++) {
		order_flows(t);
		run_for(10 * US);
		if (i % 3 == 0)
			order_switch(true, true, true);
		run_for(50 * US);
		assert_int_equal(sent(0).frames != 0, i % 3 == 0);
	}
	close_wire();
	traffic_free(t);
}

static void
wire_can_be_closed_while_orders_are_posted(void **state)
{
	struct traffic *t = make_flows(1, 10);

	open_wire(t, 1000);
	order_flows(t);
	close_wire();
	open_wire(t, 1000);
	order_switch(true, true, true);
	close_wire();
	traffic_free(t);
}

static void
orders_without_memory_fail_and_change_nothing(void **state)
{
	struct traffic *t = make_flows(1, 10);
	const bool chosen[1] = { true };
	struct wire_gen_flows flows;
	unsigned int n;
	int ret = -ENOMEM;

	open_wire(t, 1000);
	for (n = 0; ret != 0 && n < 40; n++) {
		left = n;
		ret = wire_gen_prepare(t, 0, &flows);
		left = UINT32_MAX;
		if (ret != 0) {
			assert_int_equal(ret, -ENOMEM);
			assert_null(flows.run);
			assert_null(flows.receiver);
		}
	}
	assert_int_equal(ret, 0);
	assert_in_range(n, 6, 39);
	wire_gen_discard(&flows);
	left = 0;
	assert_int_equal(wire_gen_switch(src[0], chosen, false), -ENOMEM);
	left = UINT32_MAX;
	assert_true(wire_gen_is_idle(src[0], far[1]));
	run_for(MS);
	assert_int_equal(sent(0).frames, 10);
	close_wire();
	traffic_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_idle_once_both_ends_were_polled),
		cmocka_unit_test(replaced_flows_count_from_zero_and_wait_for_their_start),
		cmocka_unit_test(stopped_flow_sends_nothing_and_goes_on_where_it_was),
		cmocka_unit_test(flow_that_was_stopped_before_its_start_has_not_begun),
		cmocka_unit_test(frames_that_wait_outlive_their_flows),
		cmocka_unit_test(each_run_is_freed_as_soon_as_no_frame_of_it_can_wait),
		cmocka_unit_test(wire_can_be_closed_while_orders_are_posted),
		cmocka_unit_test(orders_without_memory_fail_and_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
