using System;
using System.Collections.Generic;

namespace Grandstand
{
    /// <summary>An input without an answer.</summary>
    internal sealed class Input
    {
        internal Promise Promise;
        /// <summary>The data as a field of a message.</summary>
        internal string Field;
        /// <summary>The bytes of the data.</summary>
        internal int Size;
        /// <summary>0 until the input is sent for the first time.</summary>
        internal long Seq;
        /// <summary>The id of its latest message; 0 if none went out on this connection.</summary>
        internal long Id;
    }

    /// <summary>The unanswered inputs of a room, oldest first. Those with a number come before those without.</summary>
    internal sealed class Inputs
    {
        private const int FrameBytes = 192; // the most bytes of an input message without its data
        private const int MostOpen = 1024;

        private readonly string room;
        private readonly Context context;
        private List<Input> open = new List<Input>();
        private long lastSeq;
        private long acked;
        private double? pausedUntil;
        private bool isUnsure; // of the next number, until `joined`

        internal Inputs(string room, Context context)
        {
            this.room = room;
            this.context = context;
        }

        internal double Deadline { get { return isUnsure ? double.PositiveInfinity : pausedUntil ?? double.PositiveInfinity; } }

        internal bool IsPaused { get { return pausedUntil != null; } }

        /// <summary>Adds an input. Refuses it if too many wait, for example because the connection is away for long.</summary>
        internal void Add(Input input)
        {
            if (open.Count < MostOpen) open.Add(input);
            else context.Settle(input.Promise, Error("busy", "too many inputs wait for their answers"));
        }

        /// <summary>The room is joined again: all that has a number is sent again, and new numbers follow.</summary>
        internal void Restart(long seq)
        {
            pausedUntil = null;
            isUnsure = false;
            acked = lastSeq = seq;
            foreach (Input input in open)
            {
                input.Id = 0;
                lastSeq = Math.Max(lastSeq, input.Seq);
            }
        }

        /// <summary>Sends what may be sent.</summary>
        internal void Poll(Peer peer, double now)
        {
            if (peer == null || isUnsure || open.Count == 0 || (pausedUntil != null && now < pausedUntil)) return;
            pausedUntil = null;
            foreach (Input input in open.FindAll(one => one.Size + FrameBytes > peer.MessageBytes))
                TooBig(input, input.Size + " bytes are over the limit");
            for (int i = 0; i < open.Count && i < peer.Window; i++)
            {
                Input input = open[i];
                if (input.Id != 0) continue;
                if (input.Seq == 0) input.Seq = ++lastSeq;
                ClientMessage message = context.Message("input").Add("room", room).Add("seq", input.Seq).AddRaw(input.Field);
                input.Id = context.Send(peer, message);
            }
        }

        internal void OnAck(long seq)
        {
            acked = Math.Min(Math.Max(acked, seq), lastSeq);
            End(input => input.Seq > 0 && input.Seq <= seq);
        }

        /// <summary>The game refused an input. Returns null if it is not open: the answer was given before.</summary>
        internal InputException OnReject(ServerMessage message)
        {
            long seq = message.Seq.Value;
            var error = new InputException(message.Code, message.Says, room, seq, true);
            return End(input => input.Seq == seq && seq > 0, error) ? error : null;
        }

        /// <summary>The server lost acked inputs after a number. Those that were numbered behind them cannot follow.</summary>
        internal bool RollBack(long seq)
        {
            if (seq >= acked) return false;
            acked = lastSeq = seq;
            End(input => input.Seq > 0, Error("room_rolled_back", "the server lost inputs"));
            return true;
        }

        /// <summary>The room was created again: inputs for the former one failed, from a number on.</summary>
        internal void OnRestarted(long seq = 0)
        {
            if (seq == 0) acked = lastSeq = 0;
            End(input => seq == 0 || input.Seq >= seq, Error("room_restarted", "the room was created again"));
        }

        /// <summary>
        /// The open input that an error answers. <paramref name="isStale"/>: it answers an earlier sending, or an input that has
        /// ended. Null and not stale: it answers no input.
        /// </summary>
        internal Input Find(ServerMessage error, out bool isStale)
        {
            Input found = error.Id != null ? open.Find(input => input.Id == error.Id)
                : error.Seq != null ? open.Find(input => input.Id > 0 && input.Seq == error.Seq) : null;
            isStale = found == null && error.Seq != null;
            return found;
        }

        /// <summary>The server did not take an input for now. It is sent again later, with those behind it.</summary>
        internal void Pause(double until)
        {
            pausedUntil = Math.Max(pausedUntil ?? 0, until);
            foreach (Input input in open) input.Id = 0;
        }

        /// <summary>The server did not take an input and never will, so that its number is free for the next one.</summary>
        internal void Fail(Input failed, string code, string message)
        {
            End(input => input == failed, Error(code, message, failed.Seq));
            lastSeq = failed.Seq - 1;
            foreach (Input input in open)
                if (input.Seq > failed.Seq) input.Seq = input.Id = 0;
        }

        /// <summary>The numbers are wrong: fails an input and all behind it. Later ones wait until the room is joined again.</summary>
        internal void FailFrom(Input failed, string code, string message)
        {
            End(input => input.Seq == 0 || input.Seq >= failed.Seq, Error(code, message, failed.Seq));
            lastSeq = failed.Seq - 1;
            isUnsure = true;
        }

        /// <summary>The server closed the connection because of an input that is too big: any that was sent on it.</summary>
        internal void FailSent(string message)
        {
            foreach (Input input in open.FindAll(one => one.Id > 0)) TooBig(input, message);
        }

        internal void FailAll(GrandstandException error)
        {
            End(input => true, error);
            pausedUntil = null;
        }

        private void TooBig(Input failed, string message)
        {
            if (failed.Seq > 0) Fail(failed, "too_big", message);
            else End(input => input == failed, Error("too_big", message));
        }

        private InputException Error(string code, string message, long? seq = null)
        {
            return new InputException(code, message, room, seq);
        }

        private bool End(Predicate<Input> which, GrandstandException error = null)
        {
            List<Input> ended = open.FindAll(which);
            if (ended.Count == 0) return false;
            open.RemoveAll(which);
            foreach (Input input in ended) context.Settle(input.Promise, error, input.Seq);
            return true;
        }
    }
}
