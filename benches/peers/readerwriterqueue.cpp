/* SPDX-License-Identifier: MIT */
/* moodycamel's queues for one producer and one consumer. */
#include <benches/peers/values.h>
#include <readerwriterqueue/readerwritercircularbuffer.h>
#include <readerwriterqueue/readerwriterqueue.h>

namespace
{

/* Blocks of cells; try_enqueue stays within those that were allocated for the capacity. */
template <class T> struct blocks {
    static constexpr bool batches = false;
    static constexpr bool in_place = true;
    using kind = moodycamel::ReaderWriterQueue<T>;

    kind queue;
    enum peer_wait wait;

    explicit blocks(const peer_run &run) : queue(run.capacity), wait(run.wait) {}

    struct sender {
        kind &queue;
        enum peer_wait wait;

        explicit sender(blocks &of) : queue(of.queue), wait(of.wait) {}
        void push(const T &value)
        {
            while (!queue.try_enqueue(value))
                peer_pause(wait);
        }
    };

    struct receiver {
        kind &queue;
        enum peer_wait wait;

        explicit receiver(blocks &of) : queue(of.queue), wait(of.wait) {}
        T &front()
        {
            T *value;

            while (!(value = queue.peek()))
                peer_pause(wait);
            return *value;
        }
        void drop() { queue.pop(); }
    };
};

/* One ring with a semaphore at each end. */
template <class T> struct ring {
    static constexpr bool batches = false;
    static constexpr bool in_place = false;
    using kind = moodycamel::BlockingReaderWriterCircularBuffer<T>;

    kind queue;

    explicit ring(const peer_run &run) : queue(run.capacity) {}

    struct sender {
        kind &queue;

        explicit sender(ring &of) : queue(of.queue) {}
        void push(const T &value) { queue.wait_enqueue(value); }
    };

    struct receiver {
        kind &queue;

        explicit receiver(ring &of) : queue(of.queue) {}
        void pop(T &to) { queue.wait_dequeue(to); }
    };
};

} // namespace

const struct peer peer_all[] = {
    VALUES_PEER("readerwriterqueue", blocks, PEER_SPSC | PEER_BUSIES | PEER_YIELDS | PEER_ORDERED),
    VALUES_PEER("readerwriterqueue-blocking", ring, PEER_SPSC | PEER_BLOCKS | PEER_ORDERED),
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "readerwriterqueue";
const char *const peer_package = "libreaderwriterqueue-dev";

const char *peer_version(void)
{
    return PEER_VERSION;
}
