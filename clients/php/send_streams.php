<?php
// PHP without any extension: php send_streams.php ADDRESS KEY INVOICE CSV FILM
declare(strict_types=1);

[, $bff, $key, $invoice, $csv, $film] = $argv;
$run = bin2hex(random_bytes(8));

/** The answer as a stream, whatever its status. */
function open(string $method, string $path, array $headers = [], string $body = '')
{
    global $bff, $key;
    $options = [
        'method' => $method,
        'header' => [...$headers, "Authorization: Bearer $key"],
        'content' => $body,
        'ignore_errors' => true, // else the body of a refusal is thrown away
        'protocol_version' => '1.1',
        'timeout' => 60,
    ];
    return fopen($bff . $path, 'r', false, stream_context_create(['http' => $options]));
}

/** The status, the headers by their names in small letters, and the body. */
function ask(string $method, string $path, array $headers = [], string $body = ''): array
{
    $stream = open($method, $path, $headers, $body);
    $lines = stream_get_meta_data($stream)['wrapper_data'];
    $seen = [];
    foreach (array_slice($lines, 1) as $line) {
        [$name, $value] = explode(': ', $line, 2);
        $seen[strtolower($name)] = $value;
    }
    return [explode(' ', $lines[0])[1], $seen, json_decode(stream_get_contents($stream), true)];
}

/** The same key is the same message, however often it is asked for. */
function sendTemplate(): array
{
    global $run;
    $body = json_encode([
        'to' => '14155551000',
        'template' => 'order_update',
        'parameters' => ['customer_name' => 'José', 'order_id' => 'A-1001', 'order_status' => 'shipped'],
    ]);
    return ask('POST', '/v1/messages/template', ['Content-Type: application/json', "Idempotency-Key: php-$run"], $body);
}

/** PHP's streams write no forms: one part between two boundaries. */
function upload(string $path, string $file, string $name, array $query): array
{
    global $run;
    $boundary = bin2hex(random_bytes(16));
    $fileName = str_replace('"', '%22', basename($file));
    $body = "--$boundary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"$fileName\"\r\n\r\n"
        . file_get_contents($file) . "\r\n--$boundary--\r\n";
    $headers = ["Content-Type: multipart/form-data; boundary=$boundary", "Idempotency-Key: php-$name-$run"];
    return ask('POST', "$path?" . http_build_query($query), $headers, $body);
}

/** Server-sent events; the stream ends with the broadcast. */
function follow(string $broadcast): array
{
    $stream = open('GET', "/v1/broadcasts/$broadcast/events");
    while (($line = fgets($stream)) !== false) {
        if (str_starts_with($line, 'event: ')) $event = trim(substr($line, 7));
        if (str_starts_with($line, 'data: ')) $data = json_decode(substr($line, 6), true);
    }
    return [$event, $data];
}

[$status] = ask('HEAD', '/v1/templates');
echo "templates, by HEAD: $status\n";

[$status, , $first] = sendTemplate();
echo "template: $status {$first['status']}\n";
[$status, $headers, $again] = sendTemplate();
$same = var_export($again['id'] === $first['id'], true);
echo "template again: $status {$again['status']}, replayed: {$headers['idempotency-replayed']}, the same: $same\n";

[$status, , $sent] = upload('/v1/messages/file', $invoice, 'file', ['to' => '14155551000', 'caption' => 'Grüße']);
echo "file: $status {$sent['status']} {$sent['fileName']}\n";

[$status, , $imported] = upload('/v1/broadcasts/import', $csv, 'import', ['template' => 'order_update', 'broadcastName' => 'march']);
echo "import: $status {$imported['counts']['total']}\n";
[$event, $broadcast] = follow($imported['id']);
echo "events: $event, {$broadcast['counts']['accepted']} accepted\n";

$key .= 'x';
[$status, , $problem] = upload('/v1/messages/file', $film, 'film', ['to' => '14155551000']);
echo "another key: $status {$problem['type']}\n";
$key = $argv[2];
[$status, , $problem] = ask('POST', '/v1/messages/text', ['Content-Type: text/plain'], 'Hello');
echo "another type: $status {$problem['type']}\n";
