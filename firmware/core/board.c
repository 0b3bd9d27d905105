#include "board.h"

#include <stddef.h>

#include "column.h"
#include "frame.h"
#include "platform.h"

#define NO_ERROR 0

enum state { EMPTY, SAMPLED, RECEIVING, ASKED, SOLVING, CANCELLED, SOLVED };

struct column column;

static struct decoder decoder;
static struct {
    uint32_t cycles;
    uint32_t told;  // cycle of the last PROGRESS
    uint16_t id;
    uint16_t received[2];  // bytes of features and trimap
    uint16_t unknowns;
    uint16_t iterations;
    uint8_t state;
    uint8_t mode;
    uint8_t sequence;  // of the SOLVE that is being answered
} board;

static uint16_t get16(const uint8_t *bytes)
{
    return bytes[0] | (uint16_t)bytes[1] << 8;
}

static uint8_t *put16(uint8_t *bytes, uint16_t value)
{
    *bytes++ = value;
    *bytes++ = value >> 8;
    return bytes;
}

static uint8_t *put32(uint8_t *bytes, uint32_t value)
{
    return put16(put16(bytes, value), value >> 16);
}

static uint8_t *part_bytes(uint8_t part)
{
    return part == PART_FEATURES ? (uint8_t *)column.features : column.codes;
}

static uint16_t part_size(uint8_t part)
{
    return part == PART_FEATURES ? 2 * column.length : (column.length + 3) >> 2;
}

static uint32_t crc32_16(uint32_t crc, uint16_t value)
{
    return crc32_add(crc32_add(crc, value), value >> 8);
}

static uint32_t crc32_bytes(uint32_t crc, const uint8_t *bytes, uint16_t count)
{
    while (count--)
        crc = crc32_add(crc, *bytes++);
    return crc;
}

static bool column_is_intact(const uint8_t *expected)
{
    uint32_t crc = crc32_16(crc32_16(0xFFFFFFFF, board.id), column.length);
    crc = crc32_add(crc, board.mode);
    for (uint8_t part = PART_FEATURES; part <= PART_TRIMAP; part++)
        crc = crc32_bytes(crc, part_bytes(part), part_size(part));
    crc = ~crc;
    return get16(expected) == (uint16_t)crc && get16(expected + 2) == (uint16_t)(crc >> 16);
}

// Counts the unknown pixels and decides between the modes.
static uint8_t examine(void)
{
    uint16_t unknowns = 0;
    for (uint16_t position = 0; position < column.length; position++) {
        uint8_t code = code_of(position);
        if (code > CODE_FOREGROUND)
            return ERROR_BAD_VALUE;
        unknowns += code == CODE_UNKNOWN;
    }
    if (unknowns == column.length)
        return ERROR_NOTHING_KNOWN;
    if (board.mode == MODE_EXACT && unknowns > EXACT_LIMIT)
        return ERROR_TOO_MANY_UNKNOWN;
    if (board.mode == MODE_AUTO)
        board.mode = unknowns > EXACT_LIMIT ? MODE_WINDOWED : MODE_EXACT;
    board.unknowns = unknowns;
    return NO_ERROR;
}

static bool busy(void)
{
    return board.state == ASKED || board.state == SOLVING || board.state == CANCELLED;
}

static uint8_t begin(const struct frame *request)
{
    uint16_t length = get16(request->payload + 2);
    if (request->length != 5)
        return ERROR_BAD_LENGTH;
    if (busy())
        return ERROR_BUSY;
    if (length == 0 || length > PIXELS || request->payload[4] > MODE_WINDOWED)
        return ERROR_BAD_VALUE;
    board.id = get16(request->payload);
    board.mode = request->payload[4];
    board.received[PART_FEATURES] = board.received[PART_TRIMAP] = 0;
    board.state = RECEIVING;
    column.length = length;
    return NO_ERROR;
}

static uint8_t block(const struct frame *request)
{
    const uint8_t *payload = request->payload;
    uint8_t part = payload[2];
    uint16_t offset = get16(payload + 3);
    uint8_t count = request->length - 5;
    if (request->length <= 5)
        return ERROR_BAD_LENGTH;
    if (busy())
        return ERROR_BUSY;
    if (board.state != RECEIVING || get16(payload) != board.id)
        return ERROR_NO_COLUMN;
    if (part > PART_TRIMAP || offset >= part_size(part) || count > part_size(part) - offset)
        return ERROR_BAD_VALUE;
    if (offset > board.received[part])
        return ERROR_INCOMPLETE;
    for (uint8_t i = 0; i < count; i++)
        part_bytes(part)[offset + i] = payload[5 + i];
    if (offset + count > board.received[part])
        board.received[part] = offset + count;
    return NO_ERROR;
}

static uint8_t solve(const struct frame *request)
{
    if (request->length != 6)
        return ERROR_BAD_LENGTH;
    if (busy())
        return get16(request->payload) == board.id ? NO_ERROR : ERROR_BUSY;
    if (board.state < RECEIVING || get16(request->payload) != board.id)
        return ERROR_NO_COLUMN;
    if (board.state == SOLVED)
        return NO_ERROR;
    if (board.received[PART_FEATURES] < part_size(PART_FEATURES)
        || board.received[PART_TRIMAP] < part_size(PART_TRIMAP))
        return ERROR_INCOMPLETE;
    if (!column_is_intact(request->payload + 2))
        return ERROR_CHECKSUM;
    uint8_t error = examine();
    if (error == NO_ERROR)
        board.state = ASKED;
    return error;
}

static void send_done(void)
{
    uint32_t crc = crc32_16(0xFFFFFFFF, board.id);
    struct frame frame = {TYPE_DONE, board.sequence, 9, {0}};
    uint8_t *end = put16(frame.payload, board.id);
    *end++ = board.mode;
    put32(put16(end, board.iterations), ~crc32_bytes(crc, column.alpha, column.length));
    frame_send(&frame);
}

static void send_error(uint8_t sequence, uint8_t type, uint8_t code)
{
    struct frame frame = {ERROR, sequence, 2, {type, code}};
    frame_send(&frame);
    platform_lights(busy(), true);
}

static uint8_t get_alpha(struct frame *frame)
{
    uint16_t offset = get16(frame->payload + 2);
    uint8_t count = frame->payload[4];
    if (frame->length != 5)
        return ERROR_BAD_LENGTH;
    if (board.state < RECEIVING || get16(frame->payload) != board.id)
        return ERROR_NO_COLUMN;
    if (board.state != SOLVED)
        return ERROR_NOT_SOLVED;
    if (count == 0 || count > ALPHA_COUNT_LIMIT || offset >= column.length
        || count > column.length - offset)
        return ERROR_BAD_VALUE;
    for (uint8_t i = 0; i < count; i++)
        frame->payload[4 + i] = column.alpha[offset + i];
    frame->length = 4 + count;
    return NO_ERROR;
}

static uint8_t capture(struct frame *frame)
{
    uint16_t rate = get16(frame->payload);
    if (frame->length != 2)
        return ERROR_BAD_LENGTH;
    if (busy())
        return ERROR_BUSY;
    if (rate < CAPTURE_RATE_LEAST || rate > CAPTURE_RATE_MOST)
        return ERROR_BAD_VALUE;
    board.state = SAMPLED;
    platform_lights(true, false);
    platform_capture(column.samples, PIXELS, rate);
    platform_lights(false, false);
    put16(frame->payload, PIXELS);
    return NO_ERROR;
}

static uint8_t get_samples(struct frame *frame)
{
    uint16_t offset = get16(frame->payload);
    uint8_t count = frame->payload[2];
    if (frame->length != 3)
        return ERROR_BAD_LENGTH;
    if (board.state != SAMPLED)
        return ERROR_NO_COLUMN;
    if (count == 0 || count > SAMPLE_COUNT_LIMIT || offset >= PIXELS || count > PIXELS - offset)
        return ERROR_BAD_VALUE;
    uint8_t *end = frame->payload + 2;
    for (uint8_t i = 0; i < count; i++)
        end = put16(end, column.samples[offset + i]);
    frame->length = 2 + 2 * count;
    return NO_ERROR;
}

static void fill_hello(struct frame *frame)
{
    frame->payload[0] = PROTOCOL_VERSION;
    frame->payload[1] = platform_variant;
    uint8_t *end = put16(frame->payload + 2, platform_clock_khz);
    end = put16(put16(end, PIXELS), EXACT_LIMIT);
    put16(put16(end, WINDOW), platform_boot());
    frame->length = 12;
}

static void fill_stats(struct frame *frame)
{
    uint8_t *end = put16(put16(frame->payload, board.id), board.iterations);
    end = put16(put32(end, board.cycles), platform_stack_bytes());
    put16(put16(end, platform_static_bytes()), platform_overruns());
    frame->length = 14;
}

// Turns the request into its reply.
static uint8_t answer(struct frame *frame)
{
    uint8_t error = NO_ERROR;
    switch (frame->type) {
    case TYPE_HELLO:
        fill_hello(frame);
        break;
    case TYPE_PING:
        break;
    case TYPE_BEGIN:
        error = begin(frame);
        frame->length = 2;
        break;
    case TYPE_BLOCK:
        error = block(frame);
        frame->length = 5;
        break;
    case TYPE_SOLVE:
        error = solve(frame);
        frame->length = 2;
        break;
    case TYPE_GET_ALPHA:
        return get_alpha(frame);
    case TYPE_STATS:
        fill_stats(frame);
        break;
    case TYPE_CAPTURE:
        return capture(frame);
    case TYPE_GET_SAMPLES:
        return get_samples(frame);
    case TYPE_RESET:
        frame->length = 0;
        break;
    case TYPE_CANCEL:
        if (busy())
            board.state = CANCELLED;
        frame->length = 0;
        break;
    default:
        error = ERROR_UNKNOWN_REQUEST;
    }
    return error;
}

static void handle(struct frame *frame)
{
    uint8_t type = frame->type;
    uint8_t error = answer(frame);
    if (error != NO_ERROR) {
        send_error(frame->sequence, type, error);
        return;
    }
    frame->type = type | REPLY;
    frame_send(frame);
    if (type == TYPE_RESET)
        platform_reset();
    if (type == TYPE_SOLVE) {
        board.sequence = frame->sequence;
        if (board.state == SOLVED)
            send_done();
    }
}

static void receive(void)
{
    int16_t byte;
    while ((byte = platform_receive()) >= 0)
        if (frame_receive(&decoder, byte))
            handle(&decoder.frame);
}

static bool keep_solving(uint8_t phase, uint16_t done, uint16_t total)
{
    receive();
    uint32_t now = platform_cycles();
    if (now - board.told >= 250UL * platform_clock_khz) {
        struct frame frame = {TYPE_PROGRESS, board.sequence, 7, {0}};
        uint8_t *end = put16(frame.payload, board.id);
        *end++ = phase;
        put16(put16(end, done), total);
        frame_send(&frame);
        board.told = now;
    }
    return board.state == SOLVING;
}

static void solve_column(void)
{
    uint32_t begun = board.told = platform_cycles();
    int16_t iterations;
    platform_lights(true, false);
    board.state = SOLVING;
    if (board.mode == MODE_EXACT)
        iterations = solve_exact(board.unknowns, keep_solving);
    else
        iterations = solve_windowed(board.unknowns, keep_solving);
    board.cycles = platform_cycles() - begun;
    if (iterations < 0) {
        board.state = EMPTY;
        send_error(board.sequence, TYPE_SOLVE, ERROR_CANCELLED);
    } else {
        board.state = SOLVED;
        board.iterations = iterations;
        send_done();
    }
    platform_lights(false, iterations < 0);
}

void board_start(void)
{
    struct frame frame = {TYPE_HELLO | REPLY, 0, 0, {0}};
    fill_hello(&frame);
    frame_send(&frame);
}

void board_serve(void)
{
    receive();
    if (board.state == ASKED)
        solve_column();
    else if (board.state == CANCELLED) {
        board.state = EMPTY;
        send_error(board.sequence, TYPE_SOLVE, ERROR_CANCELLED);
    }
}
