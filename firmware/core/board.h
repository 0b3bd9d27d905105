// The board's side of the protocol.
#ifndef BOARD_H
#define BOARD_H

void board_start(void);  // says HELLO
void board_serve(void);  // answers what has come, solves what is asked; returns once idle

#endif
