/* SPDX-License-Identifier: MIT */
/* moodycamel::ConcurrentQueue and its blocking form, a token for each thread. */
#include <algorithm>
#include <benches/peers/values.h>
#include <concurrentqueue/blockingconcurrentqueue.h>
#include <concurrentqueue/concurrentqueue.h>
#include <type_traits>

namespace
{

/*
 * The queue is unbounded, so its producers must hold back. To ask for its size at each message
 * would cost a line of every producer and consumer; so a producer asks once for a credit, its share
 * of the places that are free, and again when that is used up: seldom while consumers keep up.
 * Credits that others have not used are not seen: at worst twice the capacity is under way, and a
 * message (or batch) of each producer. try_enqueue would be no bound: producers keep the blocks
 * they once took, and the last one may find none for ever.
 */
template <class Queue> class credit
{
    Queue &queue;
    size_t capacity;
    size_t producers;
    enum peer_wait wait; /* nothing wakes a producer */
    size_t left = 0;

  public:
    credit(Queue &of, const peer_run &run)
        : queue(of), capacity(run.capacity), producers(run.producers),
          wait(run.wait == PEER_BUSY ? PEER_BUSY : PEER_YIELD)
    {
    }
    void take(size_t n)
    {
        if (__builtin_expect(left < n, 0))
            ask(n);
        left -= n;
    }

  private:
    __attribute__((noinline)) void ask(size_t n)
    {
        size_t under_way;

        while ((under_way = queue.size_approx()) >= capacity)
            peer_pause(wait);
        left = std::max(n, (capacity - under_way) / producers);
    }
};

template <class T, class Kind> struct tokened {
    static constexpr bool batches = true;
    static constexpr bool in_place = false;

    peer_run run;
    Kind queue;

    explicit tokened(const peer_run &asked) : run(asked), queue(asked.capacity) {}

    class sender
    {
        Kind &queue;
        moodycamel::ProducerToken token;
        credit<Kind> room;

      public:
        explicit sender(tokened &of) : queue(of.queue), token(of.queue), room(of.queue, of.run) {}
        void push(const T &value)
        {
            room.take(1);
            check(queue.enqueue(token, value));
        }
        void push_n(const T *from, uint32_t n)
        {
            room.take(n);
            check(queue.enqueue_bulk(token, from, n));
        }

      private:
        static void check(bool enqueued)
        {
            if (!enqueued)
                std::terminate(); /* no memory */
        }
    };

    class receiver
    {
        Kind &queue;
        moodycamel::ConsumerToken token;
        enum peer_wait wait;

      public:
        explicit receiver(tokened &of) : queue(of.queue), token(of.queue), wait(of.run.wait) {}
        void pop(T &to)
        {
            if constexpr (std::is_same_v<Kind, moodycamel::BlockingConcurrentQueue<T>>)
                queue.wait_dequeue(token, to);
            else
                while (!queue.try_dequeue(token, to))
                    peer_pause(wait);
        }
        uint32_t pop_n(T *to, uint32_t most)
        {
            size_t n;

            if constexpr (std::is_same_v<Kind, moodycamel::BlockingConcurrentQueue<T>>)
                n = queue.wait_dequeue_bulk(token, to, most);
            else
                while ((n = queue.try_dequeue_bulk(token, to, most)) == 0)
                    peer_pause(wait);
            return static_cast<uint32_t>(n);
        }
    };
};

template <class T> using plain = tokened<T, moodycamel::ConcurrentQueue<T>>;
template <class T> using blocking = tokened<T, moodycamel::BlockingConcurrentQueue<T>>;

} // namespace

/* Ordered: a producer has a queue of its own inside, and consumers take from it by a counter. */
const struct peer peer_all[] = {
    VALUES_PEER("moodycamel", plain, PEER_MPMC | PEER_BUSIES | PEER_YIELDS | PEER_ORDERED),
    VALUES_PEER("moodycamel-blocking", blocking, PEER_MPMC | PEER_BLOCKS | PEER_ORDERED),
};
const size_t peer_all_count = sizeof(peer_all) / sizeof(peer_all[0]);
const char *const peer_family = "moodycamel";
const char *const peer_package = "libconcurrentqueue-dev";

const char *peer_version(void)
{
    return PEER_VERSION;
}
