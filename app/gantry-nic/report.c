/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "log.h"
#include "report.h"

#define NR_QUEUES (sizeof(((struct m82576_stats *)0)->queue) / \
		sizeof(((struct m82576_stats *)0)->queue[0]))

static void
set(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer(value));
}

/* Report a direction; NULL is null: a port whose wire is none receives nothing. */
static json_t *
direction_json(const struct wire_dir *dir, uint64_t now, uint64_t started)
{
	struct wire_stats s;
	json_t *o;

	if (dir == NULL)
		return json_null();
	wire_dir_get_stats(dir, now, &s);
	o = json_object();
	set(o, "frames", s.frames);
	set(o, "bytes", s.bytes);
	set(o, "drops", s.drops);
	set(o, "longest_gap_ns", s.longest_gap_ns);
	set(o, "longest_gap_at_ns", s.longest_gap_ns != 0 ? s.longest_gap_at - started : 0);
	set(o, "gaps_over_100us", s.gaps_over_100us);
	set(o, "gaps_over_1ms", s.gaps_over_1ms);
	set(o, "gaps_over_10ms", s.gaps_over_10ms);
	set(o, "stalled_ns", s.stalled_ns);
	return o;
}

static json_t *
device_json(const struct m82576 *dev)
{
	struct m82576_stats s;
	json_t *o = json_object();
	json_t *queues = json_array();
	unsigned int i;

	m82576_get_stats(dev, &s);
	set(o, "tx_frames", s.tx_frames);
	set(o, "tx_bytes", s.tx_bytes);
	set(o, "tx_bad", s.tx_bad);
	set(o, "rx_frames", s.rx_frames);
	set(o, "rx_bytes", s.rx_bytes);
	set(o, "rx_no_desc", s.rx_no_desc);
	set(o, "rx_filtered", s.rx_filtered);
	set(o, "rx_bad", s.rx_bad);
	set(o, "rx_off", s.rx_off);
	set(o, "bad_doorbells", s.bad_doorbells);
	set(o, "dma_faults", s.dma_faults);
	json_object_set_new(o, "client", json_boolean(s.client));
	json_object_set_new(o, "link", json_boolean(s.link));
	for (i = 0; i < NR_QUEUES; i++) {
		json_t *q = json_object();

		set(q, "tx_frames", s.queue[i].tx_frames);
		set(q, "rx_frames", s.queue[i].rx_frames);
		set(q, "rx_no_desc", s.queue[i].rx_no_desc);
		json_array_append_new(queues, q);
	}
	json_object_set_new(o, "queues", queues);
	return o;
}

static json_t *
server_json(const struct vfu_server *server)
{
	struct vfu_server_stats s;
	json_t *o = json_object();

	vfu_server_get_stats(server, &s);
	set(o, "clients", s.clients);
	set(o, "messages", s.messages);
	set(o, "bad_messages", s.bad_messages);
	set(o, "dma_faults", s.dma_faults);
	set(o, "dma_maps", s.dma_maps);
	set(o, "dma_bytes", s.dma_bytes);
	set(o, "dma_posted", s.dma_posted);
	set(o, "ptes", s.ptes);
	json_object_set_new(o, "client", json_boolean(s.client));
	return o;
}

static const char *
mac_text(const uint8_t mac[6], char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
			mac[4], mac[5]);
	return text;
}

static const char *
wire_text(const struct port *ports, const struct port *port, char *text, size_t size)
{
	if (port->spec.wire == WIRE_PAIR)
		snprintf(text, size, "pair:%s", ports[port->spec.peer].spec.name);
	else
		snprintf(text, size, "%s",
				port->spec.wire_text != NULL ? port->spec.wire_text : "none");
	return text;
}

static const char *
replay_state(const struct wire_replay_stats *s)
{
	return !s->started ? "waiting" : !s->ended ? "running" : s->broken ? "broken" : "ended";
}

/* Report a replay; NULL is null: the port's wire is no capture. */
static json_t *
replay_json(const struct wire_source *replay)
{
	struct wire_replay_stats s;
	json_t *o, *left_out;

	if (replay == NULL)
		return json_null();
	wire_pcap_get_stats(replay, &s);
	o = json_object();
	json_object_set_new(o, "state", json_string(replay_state(&s)));
	set(o, "frames", s.frames);
	set(o, "filtered", s.filtered);
	set(o, "filled", s.filled);
	set(o, "bad_fcs", s.bad_fcs);
	left_out = json_object();
	set(left_out, "not_ethernet", s.not_ethernet);
	set(left_out, "too_short", s.too_short);
	set(left_out, "too_long", s.too_long);
	json_object_set_new(o, "left_out", left_out);
	return o;
}

static json_t *
port_json(const struct port *ports, const struct port *port, uint64_t now, uint64_t started)
{
	char wire[PORT_NAME_MAX + 4096];
	char mac[18];
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(port->spec.name));
	json_object_set_new(o, "mac", json_string(mac_text(port->spec.mac, mac)));
	json_object_set_new(o, "socket", json_string(port->spec.socket));
	set(o, "speed_mbps", port->spec.speed_mbps);
	set(o, "addr_bits", port->spec.addr_bits);
	json_object_set_new(o, "wire",
			json_string(wire_text(ports, port, wire, sizeof(wire))));
	json_object_set_new(o, "device", device_json(port->dev));
	json_object_set_new(o, "server", server_json(m82576_server(port->dev)));
	json_object_set_new(o, "tx", direction_json(port->out, now, started));
	json_object_set_new(o, "rx", direction_json(port->in, now, started));
	json_object_set_new(o, "replay", replay_json(port->replay));
	return o;
}

int
report_json(struct output_file *out, const struct port *ports, unsigned int nr, uint64_t started)
{
	uint64_t now = poller_now();
	json_t *root = json_object();
	json_t *array = json_array();
	unsigned int i;
	int ret;

	set(root, "uptime_ns", now - started);
	set(root, "log_lines_lost", log_lines_lost());
	for (i = 0; i < nr; i++)
		json_array_append_new(array, port_json(ports, &ports[i], now, started));
	json_object_set_new(root, "ports", array);
	for (i = 0; i < nr; i++) {
		wire_dir_new_interval(ports[i].out);
		if (ports[i].in_owned)
			wire_dir_new_interval(ports[i].in);
	}
	ret = output_file_write(out, root, JSON_INDENT(1));
	json_decref(root);
	return ret;
}

static void
direction_text(FILE *out, const char *label, const struct wire_dir *dir, uint64_t now)
{
	struct wire_stats s;

	if (dir == NULL)
		return;
	wire_dir_get_stats(dir, now, &s);
	fprintf(out, "  %s %" PRIu64 " frames, %" PRIu64 " bytes, %" PRIu64
			" dropped; longest polling gap %.3f ms (%" PRIu64 " over 0.1 ms, %" PRIu64
			" over 1 ms, %" PRIu64 " over 10 ms), stalled %.3f ms\n",
			label, s.frames, s.bytes, s.drops, s.longest_gap_ns / 1e6,
			s.gaps_over_100us, s.gaps_over_1ms, s.gaps_over_10ms, s.stalled_ns / 1e6);
}

static void
replay_text(FILE *out, const struct wire_source *replay)
{
	struct wire_replay_stats s;

	if (replay == NULL)
		return;
	wire_pcap_get_stats(replay, &s);
	fprintf(out, "  replay: %s, %" PRIu64 " frames (filtered %" PRIu64 ", filled up %" PRIu64
			", bad FCS %" PRIu64 "), left out: not Ethernet %" PRIu64
			", too short %" PRIu64 ", too long %" PRIu64 "\n",
			replay_state(&s), s.frames, s.filtered, s.filled, s.bad_fcs,
			s.not_ethernet, s.too_short, s.too_long);
}

void
report_text(FILE *out, const struct port *ports, unsigned int nr, uint64_t started)
{
	uint64_t now = poller_now();
	unsigned int i;

	fprintf(out, "gantry-nic: statistics after %.3f s\n", (now - started) / 1e9);
	for (i = 0; i < nr; i++) {
		const struct port *port = &ports[i];
		char wire[PORT_NAME_MAX + 4096];
		struct m82576_stats s;
		char speed[24] = "max";
		char mac[18];

		if (port->spec.speed_mbps != 0)
			snprintf(speed, sizeof(speed), "%u Mb/s", port->spec.speed_mbps);
		m82576_get_stats(port->dev, &s);
		fprintf(out, "port %s: %s, %s, wire %s, client %s, link %s\n", port->spec.name,
				mac_text(port->spec.mac, mac), speed,
				wire_text(ports, port, wire, sizeof(wire)),
				s.client ? "attached" : "none", s.link ? "up" : "down");
		fprintf(out, "  device: tx %" PRIu64 " (bad %" PRIu64 "), rx %" PRIu64
				" (no descriptor %" PRIu64 ", filtered %" PRIu64 ", bad %" PRIu64
				", off %" PRIu64 "), DMA faults %" PRIu64 "\n",
				s.tx_frames, s.tx_bad, s.rx_frames, s.rx_no_desc, s.rx_filtered,
				s.rx_bad, s.rx_off, s.dma_faults);
		direction_text(out, "wire out:", port->out, now);
		direction_text(out, "wire in: ", port->in, now);
		replay_text(out, port->replay);
	}
	fflush(out);
}
