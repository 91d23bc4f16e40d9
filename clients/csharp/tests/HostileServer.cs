using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Grandstand.Tests
{
    /// <summary>A server that upgrades, and sends bytes that a WebSocket should not; and what applications do wrong.</summary>
    internal sealed class HostileServer : IDisposable
    {
        private const string Welcome = "{\"type\":\"welcome\",\"protocol\":1,\"heartbeat_ms\":25000}";
        private readonly TcpListener listener = new TcpListener(IPAddress.Loopback, 0);
        private readonly Func<int, byte[]> says;
        private readonly List<TcpClient> open = new List<TcpClient>();
        private int count;

        private HostileServer(Func<int, byte[]> says)
        {
            this.says = says;
            listener.Start();
            new Thread(Serve) { IsBackground = true }.Start();
        }

        internal static void Tests()
        {
            byte[] ok = Frame(0x81, Welcome);
            Bad("a frame with a mask", new byte[] { 0x81, 0x82, 1, 2, 0x81, 0x02, 65, 66 });
            Bad("an unknown bit", new byte[] { 0xC1, 0x00 });
            Bad("an unknown opcode", new byte[] { 0x83, 0x00 });
            Bad("a continuation of nothing", new byte[] { 0x80, 0x00 });
            Bad("a fragment within a fragment", new byte[] { 0x01, 0x01, 65, 0x81, 0x01, 65 });
            Bad("a ping in fragments", new byte[] { 0x09, 0x00 });
            Bad("a ping that is too long", new byte[] { 0x89, 126, 0, 126 });
            Bad("a length of 2^63", new byte[] { 0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0 });
            Bad("a length of 2^62", new byte[] { 0x81, 127, 0x40, 0, 0, 0, 0, 0, 0, 0 });
            Bad("a text that is not UTF-8", new byte[] { 0x81, 0x02, 0xC3, 0x28 });
            Bad("an end within a frame", new byte[] { 0x81, 0x05, 65 });
            Bad("a close without a code", new byte[] { 0x88, 0x00 });
            Bad("a close with half a code", new byte[] { 0x88, 0x01, 3 });
            Check.Test("nonsense is told, and the connection stays", () =>
            {
                byte[] nonsense = Join(ok, Frame(0x81, "<html>"), Frame(0x82, "x"), Frame(0x81, new string('[', 60000)), Frame(0x81, "\"\\u12"),
                    Frame(0x81, "{\"type\":\"dance\"}"), new byte[] { 0x89, 0x00 });
                using (var server = new HostileServer(n => nonsense))
                {
                    var problems = new List<string>();
                    var client = server.Connect();
                    client.ProblemFound += error => problems.Add(error.Code);
                    Check.Until(() => problems.Count == 4, "four problems", client);
                    Check.Equal("bad_message bad_message bad_message bad_message", string.Join(" ", problems.ToArray()));
                    Check.Equal(ConnectionState.Connected, client.Status.State);
                    Check.Equal(1, server.count, "connections");
                    client.Close();
                }
            });
            Check.Test("an answer that never ends is given up", () =>
            {
                using (var server = new HostileServer(null))
                {
                    var client = server.Connect();
                    Check.Until(() => client.Status.Why == "unreachable", "unreachable", client);
                    client.Close();
                }
            });
            Check.Test("a listener that throws stops nothing, and Poll throws it", () =>
            {
                using (var server = new HostileServer(n => ok))
                {
                    var client = server.Connect();
                    int others = 0;
                    client.StatusChanged += status => { if (status.State == ConnectionState.Connected) throw new InvalidOperationException("mine"); };
                    client.StatusChanged += status => others++;
                    var error = Check.Throws<InvalidOperationException>(() => Check.Until(() => false, "never", client), "Poll");
                    Check.Equal("mine", error.Message);
                    Check.Equal(ConnectionState.Connected, client.Status.State);
                    client.Poll();
                    client.Close();
                    Check.Equal(ConnectionState.Closed, client.Status.State);
                    Check.True(others > 0, "other statuses were told");
                }
            });
            Check.Test("nothing is called outside of Poll", () =>
            {
                using (var server = new HostileServer(n => ok))
                {
                    int calls = 0, thread = Thread.CurrentThread.ManagedThreadId;
                    var client = server.Connect();
                    client.StatusChanged += status =>
                    {
                        Check.Equal(thread, Thread.CurrentThread.ManagedThreadId, "the thread");
                        calls++;
                    };
                    Thread.Sleep(300);
                    Check.Equal(0, calls, "calls before Poll");
                    Check.Until(() => client.Status.State == ConnectionState.Connected, "connected", client);
                    client.Close();
                }
            });
            Check.Test("Run keeps code on its thread, and passes on its exception", () =>
            {
                using (var server = new HostileServer(n => ok))
                {
                    var client = server.Connect();
                    int thread = Thread.CurrentThread.ManagedThreadId;
                    Check.Throws<ArithmeticException>(() => client.Run(async () =>
                    {
                        await Task.Delay(20);
                        Check.Equal(thread, Thread.CurrentThread.ManagedThreadId, "the thread");
                        throw new ArithmeticException();
                    }), "Run");
                    client.Close();
                }
            });
            Check.Test("wrong arguments", () =>
            {
                foreach (string url in new[] { null, "", "localhost:8080", "ftp://host", "ws://", "/v1/ws", "ws:// host" })
                    Check.Equal("bad_url", Check.Throws<ConnectException>(() => new Client(new ClientOptions { Url = url }), url).Code);
                var client = new Client(new ClientOptions { Url = "ws://127.0.0.1:1" });
                Check.Throws<ArgumentNullException>(() => client.Join(null), "a room without a name");
                Room room = client.Join("a");
                Task<long> sent = room.Send(double.NaN);
                Check.Equal("bad_data", ((InputException)sent.Exception.InnerException).Code);
                Task<long> waits = room.Send("x");
                Check.Until(() => client.Status.Why == "unreachable", "unreachable", client);
                client.Close();
                Check.Equal("closed", ((InputException)waits.Exception.InnerException).Code);
                Check.Equal("closed", ((GrandstandException)room.Ready.Exception.InnerException).Code);
            });
        }

        // After `welcome` come these bytes: the connection counts as lost, and the client comes back.
        private static void Bad(string name, byte[] bytes)
        {
            Check.Test(name, () =>
            {
                byte[] all = Join(Frame(0x81, Welcome), bytes);
                using (var server = new HostileServer(n => n == 1 ? all : Frame(0x81, Welcome)))
                {
                    var whys = new List<string>();
                    var client = server.Connect();
                    client.StatusChanged += status => whys.Add(status.State + " " + status.Why);
                    Check.Until(() => server.count > 1 && client.Status.State == ConnectionState.Connected, "it comes back", client);
                    Check.True(whys.Contains("Reconnecting lost"), string.Join(", ", whys.ToArray()));
                    client.Close();
                }
            });
        }

        private Client Connect()
        {
            int port = ((IPEndPoint)listener.LocalEndpoint).Port;
            return new Client(new ClientOptions { Url = "ws://127.0.0.1:" + port, BackoffMinMs = 50, BackoffMaxMs = 100, ConnectTimeoutMs = 2000 });
        }

        private static byte[] Frame(byte head, string text)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            byte[] length = bytes.Length < 126 ? new[] { head, (byte)bytes.Length }
                : new byte[] { head, 126, (byte)(bytes.Length >> 8), (byte)bytes.Length };
            return Join(length, bytes);
        }

        private static byte[] Join(params byte[][] parts)
        {
            var all = new MemoryStream();
            foreach (byte[] part in parts) all.Write(part, 0, part.Length);
            return all.ToArray();
        }

        private void Serve()
        {
            try
            {
                while (true)
                {
                    TcpClient connection = listener.AcceptTcpClient();
                    open.Add(connection);
                    Stream stream = connection.GetStream();
                    string key = null;
                    var reader = new StreamReader(stream, Encoding.ASCII);
                    for (string line = reader.ReadLine(); !string.IsNullOrEmpty(line); line = reader.ReadLine())
                        if (line.StartsWith("Sec-WebSocket-Key: ", StringComparison.Ordinal)) key = line.Substring(19);
                    int number = Interlocked.Increment(ref count);
                    string answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                        + Convert.ToBase64String(SHA1.Create().ComputeHash(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
                        + "\r\n\r\n";
                    if (says == null) answer = "HTTP/1.1 101 Switching Protocols\r\nX: " + new string('x', 100000);
                    byte[] bytes = Join(Encoding.ASCII.GetBytes(answer), says == null ? new byte[0] : says(number));
                    stream.Write(bytes, 0, bytes.Length);
                    // What breaks off has an end, too.
                    if (says != null && number == 1 && bytes[bytes.Length - 2] == 5) connection.Close();
                }
            }
            catch (Exception)
            {
                // the test is over
            }
        }

        public void Dispose()
        {
            listener.Stop();
            foreach (TcpClient connection in open) connection.Close();
        }
    }
}
