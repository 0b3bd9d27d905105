#include "frame.h"

#include "platform.h"

enum { FRESH, INSIDE, SPOILT };  // of the decoder

static uint16_t crc16(const uint8_t *bytes, uint8_t count)
{
    uint16_t crc = 0xFFFF;
    while (count--) {
        crc ^= (uint16_t)*bytes++ << 8;
        for (uint8_t bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
    }
    return crc;
}

static bool complete(const struct decoder *decoder)
{
    const uint8_t *bytes = (const uint8_t *)&decoder->frame;
    uint8_t covered = decoder->filled - 2;
    if (decoder->state != INSIDE || decoder->left || decoder->filled < 5
        || decoder->frame.length != covered - 3)
        return false;
    return crc16(bytes, covered) == (bytes[covered] | (uint16_t)bytes[covered + 1] << 8);
}

static void append(struct decoder *decoder, uint8_t byte)
{
    if (decoder->filled < sizeof decoder->frame)
        ((uint8_t *)&decoder->frame)[decoder->filled++] = byte;
    else
        decoder->state = SPOILT;
}

bool frame_receive(struct decoder *decoder, uint8_t byte)
{
    if (byte == 0) {
        bool valid = complete(decoder);
        decoder->filled = 0;
        decoder->left = 0;
        decoder->state = FRESH;
        return valid;
    }
    if (decoder->left) {
        decoder->left--;
        append(decoder, byte);
    } else {
        if (decoder->state == FRESH)
            decoder->state = INSIDE;
        else
            append(decoder, 0);
        decoder->left = byte - 1;
    }
    return false;
}

void frame_send(struct frame *frame)
{
    const uint8_t *bytes = (const uint8_t *)frame;
    uint8_t count = frame->length + 3;
    uint16_t crc = crc16(bytes, count);
    frame->payload[frame->length] = crc;
    frame->payload[frame->length + 1] = crc >> 8;
    count += 2;

    platform_send(0);
    for (uint8_t i = 0; i <= count; i++) {
        uint8_t next = i;
        while (next < count && bytes[next])
            next++;
        platform_send(next - i + 1);
        for (; i < next; i++)
            platform_send(bytes[i]);
    }
    platform_send(0);
}

uint32_t crc32_add(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (uint8_t bit = 0; bit < 8; bit++)
        crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
    return crc;
}
