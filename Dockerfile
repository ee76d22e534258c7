# Labels films, and shows a camera's picture in browsers: `live --web` and `record`, without a window. docs/docker.md has the commands.

FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
COPY . /source
RUN python3 -m venv /opt/expressions && /opt/expressions/bin/pip install --no-cache-dir /source

FROM debian:bookworm-slim
# The font is for `--lang zh` and `ja` on 64-bit Arm, whose OpenCV has none. No other library of the system's is needed.
RUN apt-get update && apt-get install -y --no-install-recommends python3 fonts-wqy-microhei && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/expressions /opt/expressions
RUN useradd --uid 1000 --groups video --create-home expressions && install --directory --owner expressions /data
USER expressions
WORKDIR /data
EXPOSE 8000
ENTRYPOINT ["/opt/expressions/bin/expressions"]
CMD ["live", "--web", "--host", "0.0.0.0"]
