using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Threading;
using System.Threading.Tasks;

namespace Grandstand
{
    /// <summary>
    /// The connection of one player or spectator to a server, with its rooms. It connects at once. All calls come from one
    /// thread, and callbacks and continuations run on it, within <see cref="Poll"/>: call that once per frame.
    /// </summary>
    public sealed partial class Client
    {
        private readonly Uri url;
        private readonly ClientOptions options;
        private readonly SessionMachine machine;
        private readonly Dictionary<Peer, WebSocketConnection> connections = new Dictionary<Peer, WebSocketConnection>();
        private readonly Dictionary<RoomMachine, Room> rooms = new Dictionary<RoomMachine, Room>();
        private readonly ConcurrentQueue<Action> arrived = new ConcurrentQueue<Action>(); // from other threads
        private readonly Queue<Action> happened = new Queue<Action>(); // for the application
        private readonly AutoResetEvent wake = new AutoResetEvent(false);
        private readonly Stopwatch clock = Stopwatch.StartNew();
        private readonly Random random = new Random(Guid.NewGuid().GetHashCode());
        private readonly Dictionary<long, double> pings = new Dictionary<long, double>();
        private double? serverOffsetMs;
        private bool isDelivering;

        /// <summary>Makes a client. Throws a <see cref="ConnectException"/> only if the address makes no sense.</summary>
        public Client(ClientOptions options)
        {
            if (options == null) throw new ArgumentNullException("options");
            this.options = options;
            url = Address(options.Url);
            machine = new SessionMachine(options, new Shell(this));
            machine.Start(Now);
        }

        /// <summary>The state of the connection.</summary>
        public Status Status { get; private set; } = new Status(ConnectionState.Connecting);

        /// <summary>The last round trip to the server in milliseconds.</summary>
        public double? RttMs { get; private set; }

        /// <summary>
        /// The time of the server in milliseconds since 1970, by which deadlines in rooms count; null until the server has
        /// answered the first call. A jump of the device's clock does not change it.
        /// </summary>
        public double? ServerTimeMs
        {
            get
            {
                if (serverOffsetMs == null && pings.Count == 0) machine.MeasureTime(Now);
                return Now + serverOffsetMs;
            }
        }

        /// <summary>The state of the connection changed.</summary>
        public event Action<Status> StatusChanged;

        /// <summary>A problem that no task tells.</summary>
        public event Action<GrandstandException> ProblemFound;

        /// <summary>The token expires within a minute, and there is no <see cref="ClientOptions.GetToken"/>.</summary>
        public event Action TokenExpiring;

        private double Now { get { return clock.Elapsed.TotalMilliseconds; } }

        /// <summary>
        /// Joins a room; <see cref="Room.Ready"/> ends when it is there. A room that is joined already is returned again.
        /// </summary>
        public Room Join(string name, JoinOptions joinOptions = null)
        {
            if (name == null) throw new ArgumentNullException("name");
            RoomMachine joined = machine.Join(name, joinOptions ?? new JoinOptions(), Now);
            Room room;
            if (rooms.TryGetValue(joined, out room)) return room;
            return rooms[joined] = new Room(this, joined);
        }

        /// <summary>
        /// Replaces the token. The task ends once the server has accepted it, or at once without a connection.
        /// </summary>
        public Task SetToken(string token)
        {
            if (token == null) throw new ArgumentNullException("token");
            var promise = new Promise();
            machine.SetToken(promise, token, Now);
            return promise.Task;
        }

        /// <summary>
        /// Connects again at the user's wish: ends a wait, and also a <see cref="ConnectionState.Closed"/> that is final, for
        /// example after <c>replaced</c>. Rooms that were not left are joined again.
        /// </summary>
        public void Reconnect()
        {
            machine.Reconnect(Now);
        }

        /// <summary>Tells the client about the network and the application, for example that it is in front again.</summary>
        public void Hint(Hint hint)
        {
            machine.OnHint(hint, Now);
        }

        /// <summary>
        /// Closes the connection and does not come back. All tasks without an answer fail with <c>closed</c> before this returns,
        /// or, called from a callback, before <see cref="Poll"/> does.
        /// </summary>
        public void Close()
        {
            machine.Close();
            Deliver();
        }

        /// <summary>
        /// Does what is due: handles what has arrived, raises events, and ends tasks. If a listener throws, the others are called
        /// nevertheless, and the first exception is thrown at the end.
        /// </summary>
        public void Poll()
        {
            if (isDelivering) return; // from a callback
            Action next;
            ExceptionDispatchInfo failed = null;
            for (int most = arrived.Count; most > 0 && arrived.TryDequeue(out next); most--)
            {
                failed = Try(next) ?? failed;
            }
            if (Now >= machine.Deadline) machine.Poll(Now);
            if (failed == null) Deliver();
            else
            {
                Try(Deliver);
                failed.Throw();
            }
        }

        /// <summary>Waits until <see cref="Poll"/> has something to do, at most for a time. For programs without frames.</summary>
        public void Wait(int milliseconds)
        {
            double due = Math.Max(0, Math.Min(milliseconds, Math.Ceiling(machine.Deadline - Now)));
            if (arrived.IsEmpty && happened.Count == 0) wake.WaitOne((int)due);
        }

        /// <summary>
        /// Calls <see cref="Poll"/> until a task ends. For programs without frames: the code runs on this thread alone, also after
        /// each <c>await</c>.
        /// </summary>
        public void Run(Func<Task> play)
        {
            SynchronizationContext before = SynchronizationContext.Current;
            SynchronizationContext.SetSynchronizationContext(new Turns(this));
            try
            {
                Task task = play();
                while (!task.IsCompleted)
                {
                    Wait(1000);
                    Poll();
                }
                task.GetAwaiter().GetResult();
            }
            finally
            {
                SynchronizationContext.SetSynchronizationContext(before);
            }
        }

        internal Task<long> Send(Room room, Input input)
        {
            input.Promise = new Promise();
            GrandstandException closed = machine.Closed;
            if (closed == null) room.Machine.Send(input, Now);
            else input.Promise.Settle(new InputException(closed.Code, "the client is closed", room.Name, null, false, closed), 0);
            return input.Promise.Task;
        }

        internal Task Leave(Room room)
        {
            var promise = new Promise();
            room.Machine.Leave(promise);
            return promise.Task;
        }

        private static Uri Address(string text)
        {
            Uri parsed;
            string socket = text != null && text.StartsWith("http", StringComparison.OrdinalIgnoreCase) ? "ws" + text.Substring(4) : text;
            if (!Uri.TryCreate(socket, UriKind.Absolute, out parsed) || (parsed.Scheme != "ws" && parsed.Scheme != "wss") || parsed.Host == "")
                throw new ConnectException("bad_url", "\"" + text + "\" is no address of a server");
            var address = new UriBuilder(parsed) { Fragment = "" };
            if (parsed.AbsolutePath == "/") address.Path = "/v1/ws";
            if (parsed.IsDefaultPort) address.Port = parsed.Scheme == "ws" ? 80 : 443;
            return address.Uri;
        }

        // Gives something from another thread to the one that polls.
        private void Arrive(Action action)
        {
            arrived.Enqueue(action);
            wake.Set();
        }

        private void Deliver()
        {
            if (isDelivering) return;
            isDelivering = true;
            ExceptionDispatchInfo failed = null;
            try
            {
                while (happened.Count > 0)
                {
                    ExceptionDispatchInfo error = Try(happened.Dequeue());
                    failed = failed ?? error;
                }
            }
            finally
            {
                isDelivering = false;
            }
            if (failed != null) failed.Throw();
        }

        private static ExceptionDispatchInfo Try(Action action)
        {
            try
            {
                action();
                return null;
            }
            catch (Exception error)
            {
                return ExceptionDispatchInfo.Capture(error);
            }
        }

        private void Open(Peer peer)
        {
            foreach (char letter in peer.Token ?? "")
            {
                if (letter > ' ' && letter <= '~') continue;
                var closed = new Closed(4001, "", false, "the token has a space, a line's end or another letter that no header can carry");
                Arrive(() => machine.OnClosed(peer, closed, Now));
                return;
            }
            WebSocketConnection connection = null;
            connection = new WebSocketConnection(url, peer.Token, options,
                frame => Arrive(() =>
                {
                    connection.OnTaken(frame);
                    OnFrame(peer, frame);
                }),
                closed => Arrive(() => OnClosed(peer, closed)));
            connections[peer] = connection;
        }

        private void OnFrame(Peer peer, string frame)
        {
            ServerMessage message = null;
            string problem = null;
            try
            {
                if (frame == null) problem = "a binary frame";
                else message = ServerMessage.Read(frame);
            }
            catch (FormatException error)
            {
                problem = error.Message;
            }
            machine.OnFrame(peer, message, problem, Now);
        }

        private void OnClosed(Peer peer, Closed closed)
        {
            connections.Remove(peer);
            machine.OnClosed(peer, closed, Now);
        }

        private void CallGetToken()
        {
            Task<string> task;
            try
            {
                task = options.GetToken();
            }
            catch (Exception error)
            {
                Arrive(() => machine.OnTokenFailed(error, Now));
                return;
            }
            task.ContinueWith(done => Arrive(() =>
            {
                if (done.IsFaulted) machine.OnTokenFailed(done.Exception.InnerException, Now);
                else if (done.IsCanceled || string.IsNullOrEmpty(done.Result)) machine.OnTokenFailed(new InvalidOperationException("no token"), Now);
                else machine.OnToken(done.Result, Now);
            }), TaskScheduler.Default);
        }

        private void OnPong(ServerMessage pong)
        {
            double sentAt;
            bool isKnown = pings.TryGetValue(pong.Id ?? 0, out sentAt);
            pings.Clear();
            if (!isKnown) return;
            RttMs = Now - sentAt;
            if (pong.Number("time_ms") != null) serverOffsetMs = pong.Number("time_ms") - Now + RttMs / 2;
        }
    }
}
