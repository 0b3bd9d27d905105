// Frames on the line: type, sequence, length, payload, CRC-16/CCITT-FALSE; COBS-encoded and set off
// by zeros (Cheshire, Baker: Consistent Overhead Byte Stuffing, 1997).
#ifndef FRAME_H
#define FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

struct frame {
    uint8_t type;
    uint8_t sequence;
    uint8_t length;
    uint8_t payload[PAYLOAD_LIMIT + 2];  // the CRC follows the payload
};

_Static_assert(sizeof(struct frame) == PAYLOAD_LIMIT + 5, "a frame is read byte by byte");

struct decoder {
    struct frame frame;
    uint8_t filled;
    uint8_t left;   // bytes until the next code
    uint8_t state;
};

// Takes one byte; true once a valid frame is complete.
bool frame_receive(struct decoder *decoder, uint8_t byte);

// Sends the frame, which gets its CRC.
void frame_send(struct frame *frame);

// CRC-32 as zlib computes it: start from 0xFFFFFFFF, invert at the end.
uint32_t crc32_add(uint32_t crc, uint8_t byte);

#endif
