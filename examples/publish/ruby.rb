# Ruby with AWS's signer alone: gem install aws-sigv4 (Debian: ruby-aws-sigv4)
require 'aws-sigv4'
require 'cgi'
require 'json'
require 'net/http'

signer = Aws::Sigv4::Signer.new(
  service: 'lambda',
  region: ENV.fetch('AWS_REGION'),
  access_key_id: ENV.fetch('AWS_ACCESS_KEY_ID'),
  secret_access_key: ENV.fetch('AWS_SECRET_ACCESS_KEY')
)

function_name = CGI.escape(ENV.fetch('PUBLISH_FUNCTION_NAME'))
url = URI.join(ENV.fetch('AWS_ENDPOINT_URL_LAMBDA'), "/2015-03-31/functions/#{function_name}/invocations")
payload = {
  channel: 'my-channel',
  event: 'my-event',
  data: '👋'
}.to_json

signature = signer.sign_request(http_method: 'POST', url: url, body: payload)
response = Net::HTTP.post(url, payload, signature.headers)

puts "#{response.code} #{response.body}"
exit 1 if response.code != '200' || response['X-Amz-Function-Error']
